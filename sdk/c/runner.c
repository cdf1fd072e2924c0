// The functions of `runner.h`.

#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

plugin_string_t copy_of(const char *text) {
    plugin_string_t copy;
    plugin_string_dup(&copy, text);
    return copy;
}

char *text(plugin_string_t string) {
    char *copy = malloc(string.len + 1);
    memcpy(copy, string.ptr, string.len);
    copy[string.len] = '\0';
    return copy;
}

bool fail(error_t *err, uint8_t kind, const char *remedy, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    memset(err, 0, sizeof *err);
    err->tag = kind;
    // `retryable` begins as `failure` does: `retry_after` stays none.
    err->val.failed.message = copy_of(message);
    if (remedy) {
        err->val.failed.remedy.is_some = true;
        err->val.failed.remedy.val = copy_of(remedy);
    }
    return false;
}

// The host has read and validated the configuration, so that this reader may take it to be JSON. It finds a key of the
// outermost object and never looks deeper.

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
    return at;
}

// Behind a string that begins at `at`.
static const char *skip_string(const char *at) {
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) at++;
    }
    return *at ? at + 1 : at;
}

// Behind a value that begins at `at`: at the comma or brace that follows it.
static const char *skip_value(const char *at) {
    int depth = 0;
    while (*at) {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (depth == 0 && (*at == ',' || *at == '}')) return at;
        if (*at == '}' || *at == ']') depth--;
        at++;
    }
    return at;
}

static const char *value_of(const runner_plugin_types_context_t *ctx, const char *key) {
    const char *at = skip_blanks(text(ctx->config));
    size_t length = strlen(key);
    while (*at == '{' || *at == ',') {
        const char *name = skip_blanks(at + 1);
        if (*name != '"') return NULL;
        const char *end = skip_string(name);
        const char *value = skip_blanks(skip_blanks(end) + 1);
        if ((size_t)(end - name) == length + 2 && memcmp(name + 1, key, length) == 0) return value;
        at = skip_blanks(skip_value(value));
    }
    return NULL;
}

// Writes a code point as UTF-8 and answers how long it is.
static int encode(unsigned code, char *to) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> length) | code);
    return length;
}

// The code of `\uXXXX` at `at`.
static unsigned hexadecimal(const char *at) {
    char digits[5] = {0};
    strncpy(digits, at + 2, 4);
    return (unsigned)strtoul(digits, NULL, 16);
}

char *config_text(const runner_plugin_types_context_t *ctx, const char *key) {
    const char *at = value_of(ctx, key);
    if (!at || *at != '"') return NULL;
    // No escape is shorter than what it stands for.
    char *copy = malloc(strlen(at) + 1), *to = copy;
    for (at++; *at && *at != '"'; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        const char *from = "bfnrt", *found;
        if (at[1] == 'u') {
            unsigned code = hexadecimal(at);
            at += 5;
            if (code >= 0xd800 && code < 0xdc00 && at[1] == '\\' && at[2] == 'u') {
                code = 0x10000 + ((code - 0xd800) << 10) + (hexadecimal(at + 1) - 0xdc00);
                at += 6;
            }
            to += encode(code, to);
            continue;
        }
        at++;
        found = strchr(from, *at);
        *to++ = found && *at ? "\b\f\n\r\t"[found - from] : *at;
    }
    *to = '\0';
    return copy;
}

long long config_number(const runner_plugin_types_context_t *ctx, const char *key, long long fallback) {
    const char *at = value_of(ctx, key);
    if (!at || (*at != '-' && (*at < '0' || *at > '9'))) return fallback;
    return strtoll(at, NULL, 10);
}

bool config_flag(const runner_plugin_types_context_t *ctx, const char *key, bool fallback) {
    const char *at = value_of(ctx, key);
    if (!at || (*at != 't' && *at != 'f')) return fallback;
    return *at == 't';
}

static plugin_list_u8_t word(const char *argument) {
    return (plugin_list_u8_t){(uint8_t *)argument, strlen(argument)};
}

static size_t count(const char *const words[]) {
    size_t n = 0;
    while (words[n]) n++;
    return n;
}

bool output(const char *const argv[], captured_t *captured, error_t *err) {
    runner_plugin_types_command_t command = {0};
    command.argv.len = count(argv);
    command.argv.ptr = malloc(command.argv.len * sizeof *command.argv.ptr);
    for (size_t i = 0; i < command.argv.len; i++) command.argv.ptr[i] = word(argv[i]);
    plugin_list_u8_t nothing = {0};
    return runner_plugin_process_output(&command, &nothing, captured, err);
}

bool succeeded(const captured_t *captured) {
    return captured->status.tag == RUNNER_PLUGIN_TYPES_EXIT_STATUS_CODE && captured->status.val.code == 0;
}

bool complain(error_t *err, const char *program, const captured_t *captured) {
    // The last line with content.
    const char *said = (const char *)captured->stderr_.ptr;
    size_t end = captured->stderr_.len;
    while (end && (said[end - 1] == '\n' || said[end - 1] == ' ')) end--;
    size_t start = end;
    while (start && said[start - 1] != '\n') start--;

    bool code = captured->status.tag == RUNNER_PLUGIN_TYPES_EXIT_STATUS_CODE;
    return fail(err, RUNNER_PLUGIN_TYPES_ERROR_FAILED, NULL, "`%s` %s %d%s%.*s", program,
                code ? "ended with code" : "was killed by signal",
                code ? captured->status.val.code : captured->status.val.signal, end > start ? ": " : "",
                (int)(end - start), said + start);
}

bool run_in(plugin_string_t directory, runner_plugin_types_command_t *command, runner_plugin_process_own_stdio_t io,
            const char *const prefix[], runner_plugin_types_exit_status_t *status, error_t *err) {
    size_t words = count(prefix);
    plugin_list_u8_t *argv = malloc((words + command->argv.len) * sizeof *argv);
    for (size_t i = 0; i < words; i++) argv[i] = word(prefix[i]);
    memcpy(argv + words, command->argv.ptr, command->argv.len * sizeof *argv);
    command->argv.ptr = argv;
    command->argv.len += words;

    if (!command->cwd.is_some) {
        command->cwd.is_some = true;
        command->cwd.val = (plugin_list_u8_t){directory.ptr, directory.len};
    } else if (command->cwd.val.len == 0 || command->cwd.val.ptr[0] != '/') {
        plugin_list_u8_t from = command->cwd.val, joined = {malloc(directory.len + 1 + from.len), 0};
        memcpy(joined.ptr, directory.ptr, directory.len);
        joined.ptr[directory.len] = '/';
        memcpy(joined.ptr + directory.len + 1, from.ptr, from.len);
        joined.len = directory.len + 1 + from.len;
        command->cwd.val = joined;
    }
    return runner_plugin_process_exec(command, io, status, err);
}
