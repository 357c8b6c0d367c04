"""Names of GIMP's enum values. GIMP 3.0 hands out enum objects, 3.2 sometimes plain ints; both come out as one name."""

_NAMES = {}


def name(enum_class, value):
    """`Gimp.LayerMode.NORMAL`, or its int, as "NORMAL"; a value this GIMP has no name for as its number in text."""
    names = _NAMES.get(enum_class)
    if names is None:
        names = _NAMES[enum_class] = {}
        for attribute in dir(enum_class):
            if attribute.isupper() or attribute.replace("_", "").isalnum() and attribute[:1].isupper():
                member = getattr(enum_class, attribute)
                if isinstance(member, int):
                    names.setdefault(int(member), attribute)
    return names.get(int(value), str(int(value)))
