"""What a caption's scene lets one see, to hold a measured clip against."""

from easyanimate.training.shapes.scene import Scene

ATTRIBUTES = ("colour", "background", "shape", "motion", "speed", "size")


def describe_scene(scene: Scene, *, picture: bool = False) -> dict[str, str]:
    """The attributes that a clip of `scene`, or a `picture` of it, must show, by name; only those its caption says.

    No caption says whether a shape is filled or outlined. A turning circle looks as if it stood still. The size of what
    grows or shrinks is not said truly by its caption.
    """
    motion = "still" if (scene.shape, scene.motion) == ("circle", "turning") else scene.motion
    attributes = {"colour": scene.colour, "background": scene.background, "shape": scene.shape}
    if not picture:
        attributes["motion"] = motion
        if scene.speed and motion != "still":
            attributes["speed"] = scene.speed
    if scene.size and scene.motion not in ("growing", "shrinking"):
        attributes["size"] = scene.size
    return attributes
