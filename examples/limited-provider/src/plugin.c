// Commands on this machine within bounds: memory, processor time, open files, processes. Each instance is a directory of its own.
//
// `prlimit` of util-linux sets the bounds and becomes the command, so that nothing stands between the caller and what it runs.

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

// A bound's configuration key, `prlimit`'s option for it, and how many of the one are one of the other.
static const struct {
    const char *key, *option;
    long long unit;
} BOUNDS[] = {
    {"memory-mib", "--as", 1 << 20},
    {"cpu-seconds", "--cpu", 1},
    {"open-files", "--nofile", 1},
    {"file-mib", "--fsize", 1 << 20},
};
enum { KINDS = sizeof BOUNDS / sizeof *BOUNDS };

bool exports_runner_plugin_provider_allocate(exports_runner_plugin_provider_context_t *ctx,
                                             exports_runner_plugin_provider_request_t *req,
                                             exports_runner_plugin_provider_allocated_t *ret, error_t *err) {
    if (!req->workdir.is_some) {
        return fail(err, RUNNER_PLUGIN_TYPES_ERROR_INVALID, "the manifest must request `workdir`", "there is no directory");
    }
    *ret = (exports_runner_plugin_provider_allocated_t){0};
    ret->handle = req->token;
    ret->access.tag = RUNNER_PLUGIN_TYPES_ACCESS_PLUGIN;
    ret->attributes.ptr = malloc(KINDS * sizeof *ret->attributes.ptr);
    for (int i = 0; i < KINDS; i++) {
        long long bound = config_number(ctx, BOUNDS[i].key, 0);
        if (bound == 0) continue;
        char value[24];
        snprintf(value, sizeof value, "%lld", bound);
        ret->attributes.ptr[ret->attributes.len++] =
            (plugin_tuple2_string_string_t){copy_of(BOUNDS[i].key), copy_of(value)};
    }
    return true;
}

bool exports_runner_plugin_provider_run(exports_runner_plugin_provider_context_t *ctx,
                                        exports_runner_plugin_provider_instance_t *inst,
                                        exports_runner_plugin_provider_command_t *cmd,
                                        exports_runner_plugin_provider_own_stdio_t io,
                                        exports_runner_plugin_provider_exit_status_t *ret, error_t *err) {
    char options[KINDS][48];
    const char *prefix[KINDS + 3] = {"prlimit"};
    int words = 1;
    for (int i = 0; i < KINDS; i++) {
        long long bound = config_number(ctx, BOUNDS[i].key, 0);
        if (bound == 0) continue;
        // Soft and hard: a command cannot raise it again.
        long long value = bound * BOUNDS[i].unit;
        snprintf(options[i], sizeof options[i], "%s=%lld:%lld", BOUNDS[i].option, value, value);
        prefix[words++] = options[i];
    }
    prefix[words] = "--";
    return run_in(inst->workdir.val, cmd, io, prefix, ret, err);
}

bool exports_runner_plugin_provider_copy(exports_runner_plugin_provider_context_t *ctx,
                                         exports_runner_plugin_provider_instance_t *inst,
                                         exports_runner_plugin_provider_direction_t *dir,
                                         exports_runner_plugin_provider_own_stdio_t io, error_t *err) {
    return fail(err, RUNNER_PLUGIN_TYPES_ERROR_UNSUPPORTED, NULL, "tar over run does it");
}

// The host removes the directory, and nothing else is left.
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
