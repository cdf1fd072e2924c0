"""new-plugin: commands on this machine, each instance in a directory of its own, giving way to everything else.

Replace `nice` and the directory by your backend. What the calls mean, what the host promises and what it expects stands in
`wit/deps/runner-plugin/*.wit`.
"""

from runner_sdk import config, gone, output, run_in, unsupported
from wit_world import exports
from wit_world.imports import types


class Provider(exports.Provider):
    def allocate(self, ctx, req):
        # What is made here must carry `req.token` from the moment it exists: it is how `discard` finds it after a crash.
        return types.Allocated(
            handle=req.token, access=types.Access_Plugin(), attributes=[("directory", req.workdir)]
        )

    def run(self, ctx, inst, cmd, io):
        return run_in(inst.workdir, cmd, io, "nice", "-n", str(config(ctx).niceness), "--")

    def copy(self, ctx, inst, dir, io):
        raise unsupported("tar over run does it")

    def discard(self, ctx, what):
        # Returning means: nothing with this token exists any more. Here, the host removes the directory.
        pass


class Liveness(exports.Liveness):
    def check(self, ctx, inst):
        if output("test", "-d", inst.workdir).status != types.ExitStatus_Code(0):
            raise gone(f"its directory `{inst.workdir}` is not there")
