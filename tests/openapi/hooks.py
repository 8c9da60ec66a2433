# What schemathesis must be told of this interface: how an archive becomes a body.

import schemathesis


@schemathesis.serializer("application/zstd")
def archive(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
