// What a provider or hook in C uses beside the generated `plugin.h`: errors, commands, configuration.
//
// Every call gets a memory of its own, which is thrown away after it: nothing needs to be freed. What a call *answers* is freed
// by the generated code, though, so it must come from `malloc`: use `copy_of` for constants.

#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin.h"

typedef runner_plugin_types_error_t error_t;
typedef runner_plugin_process_captured_t captured_t;

// A copy of a text, for an answer.
plugin_string_t copy_of(const char *text);

// A text of the contract as a C string.
char *text(plugin_string_t string);

// Fills in an error of a kind (`RUNNER_PLUGIN_TYPES_ERROR_FAILED`, …), whose message is `format`; `remedy` may be NULL. Answers
// false, for `return fail(err, …)`.
bool fail(error_t *err, uint8_t kind, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// The source's configuration, which the host has validated by the manifest's schema and filled up with its defaults. Keys of the
// outermost object; NULL and `fallback` for what is not there, or of another type.
char *config_text(const runner_plugin_types_context_t *ctx, const char *key);
long long config_number(const runner_plugin_types_context_t *ctx, const char *key, long long fallback);
bool config_flag(const runner_plugin_types_context_t *ctx, const char *key, bool fallback);

// Runs a program and tells what it printed and how it ended, whatever that was. `argv` ends with NULL. False: `err` says why
// it could not be started.
bool output(const char *const argv[], captured_t *captured, error_t *err);

// It ended with code 0.
bool succeeded(const captured_t *captured);

// Fills in `failed` with what such a program complained about, and answers false.
bool complain(error_t *err, const char *program, const captured_t *captured);

// Runs the caller's command, behind the words of `prefix` (which ends with NULL), in `directory` unless the caller named another.
// The caller's own streams are connected to it; nothing passes through here.
bool run_in(plugin_string_t directory, runner_plugin_types_command_t *command, runner_plugin_process_own_stdio_t io,
            const char *const prefix[], runner_plugin_types_exit_status_t *status, error_t *err);

#endif
