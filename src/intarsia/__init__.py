"""Edit a picture by words, or by moving what is in it.

    import intarsia as ia

    photo = ia.read_photo("street.jpg")
    models = ia.load_backbones("pocket")
    result = ia.edit(photo, ia.EditRecord(photo="street.jpg", source="trees", prompt="a red house"), models)
    ia.save(result, "out")

    record = ia.ArrangeRecord(photo="street.jpg", find=("car",), move=("car=+120,0",))
    scene = ia.read_scene(record, photo, models.segmenter)
    ia.arrange(scene, ia.read_layout(record, scene), record, models).photo.as_image()

The public names are those of `__init__.pyi`; each is loaded when it is first asked for, so that `import intarsia`
is quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
