"""The command `easyanimate`: what a person types. Everything above the rooms, nothing a room may import."""
