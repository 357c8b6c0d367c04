def prepare(call, name, args, kwargs):
    raise NotImplementedError
