"""The attributes that a clip of a scene must show, for comparison with measured ones."""

from easyanimate.training.shapes.scene import Scene

ATTRIBUTES = ("colour", "background", "shape", "motion", "speed", "size")


def describe_scene(scene: Scene, *, is_image: bool = False) -> dict[str, str]:
    """The attributes in the caption of `scene` that a clip, or an image of it, must show, by name.

    Captions do not say whether a shape is filled or outlined. A turning circle looks still. The size of a growing or
    shrinking shape is left out, because it changes.
    """
    motion = "still" if (scene.shape, scene.motion) == ("circle", "turning") else scene.motion
    attributes = {"colour": scene.colour, "background": scene.background, "shape": scene.shape}
    if not is_image:
        attributes["motion"] = motion
        if scene.speed and motion != "still":
            attributes["speed"] = scene.speed
    if scene.size and scene.motion not in ("growing", "shrinking"):
        attributes["size"] = scene.size
    return attributes
