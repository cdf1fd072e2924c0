// new-plugin: commands on this machine, each instance in a directory of its own, giving way to everything else.
//
// Replace `nice` and the directory by your backend. What the calls mean, what the host promises and what it expects stands in
// `wit/deps/runner-plugin/*.wit`; `gen/plugin.h` is the same in C.

#include "runner.h"

#include <stdio.h>

// What is made here must carry the token from the moment it exists: it is how `discard` finds it after a crash.
bool exports_runner_plugin_provider_allocate(exports_runner_plugin_provider_context_t *ctx,
                                             exports_runner_plugin_provider_request_t *req,
                                             exports_runner_plugin_provider_allocated_t *ret, error_t *err) {
    if (!req->workdir.is_some) {
        return fail(err, RUNNER_PLUGIN_TYPES_ERROR_INVALID, "the manifest must request `workdir`", "there is no directory");
    }
    *ret = (exports_runner_plugin_provider_allocated_t){0};
    ret->handle = req->token;
    ret->access.tag = RUNNER_PLUGIN_TYPES_ACCESS_PLUGIN;
    return true;
}

bool exports_runner_plugin_provider_run(exports_runner_plugin_provider_context_t *ctx,
                                        exports_runner_plugin_provider_instance_t *inst,
                                        exports_runner_plugin_provider_command_t *cmd,
                                        exports_runner_plugin_provider_own_stdio_t io,
                                        exports_runner_plugin_provider_exit_status_t *ret, error_t *err) {
    char niceness[8];
    snprintf(niceness, sizeof niceness, "%d", (int)config_number(ctx, "niceness", 10));
    const char *const prefix[] = {"nice", "-n", niceness, "--", NULL};
    return run_in(inst->workdir.val, cmd, io, prefix, ret, err);
}

bool exports_runner_plugin_provider_copy(exports_runner_plugin_provider_context_t *ctx,
                                         exports_runner_plugin_provider_instance_t *inst,
                                         exports_runner_plugin_provider_direction_t *dir,
                                         exports_runner_plugin_provider_own_stdio_t io, error_t *err) {
    return fail(err, RUNNER_PLUGIN_TYPES_ERROR_UNSUPPORTED, NULL, "tar over run does it");
}

// True means: nothing with this token exists any more. Here, the host removes the directory.
bool exports_runner_plugin_provider_discard(exports_runner_plugin_provider_context_t *ctx,
                                            exports_runner_plugin_provider_doomed_t *what, error_t *err) {
    return true;
}

bool exports_runner_plugin_liveness_check(exports_runner_plugin_liveness_context_t *ctx,
                                          exports_runner_plugin_liveness_instance_t *inst, error_t *err) {
    const char *directory = text(inst->workdir.val);
    captured_t captured;
    if (!output((const char *const[]){"test", "-d", directory, NULL}, &captured, err)) return false;
    if (succeeded(&captured)) return true;
    return fail(err, RUNNER_PLUGIN_TYPES_ERROR_GONE, NULL, "its directory `%s` is not there", directory);
}
