// new-plugin: commands on this machine, each instance in a directory of its own, giving way to everything else.
//
// Replace `nice` and the directory by your backend. What the calls mean, what the host promises and what it expects stands
// in `wit/deps/runner-plugin/*.wit`.

import { config, gone, output, runIn, unsupported } from "./runner-sdk.js";

export const provider = {
  // What is made here must carry `req.token` from the moment it exists: it is how `discard` finds it after a crash.
  allocate(ctx, req) {
    return { handle: req.token, access: { tag: "plugin" }, attributes: [["directory", req.workdir]] };
  },

  run(ctx, inst, cmd, io) {
    return runIn(inst.workdir, cmd, io, ["nice", "-n", String(config(ctx).niceness), "--"]);
  },

  copy() {
    throw unsupported("tar over run does it");
  },

  // Success means: nothing with this token exists any more. Here, the host removes the directory.
  discard(ctx, what) {},
};

export const liveness = {
  check(ctx, inst) {
    if (output(["test", "-d", inst.workdir]).status.val !== 0) {
      throw gone(`its directory \`${inst.workdir}\` is not there`);
    }
  },
};
