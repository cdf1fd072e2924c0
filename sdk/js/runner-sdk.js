// What a provider or hook in JavaScript uses beside the generated imports: errors, commands, bytes and text.
//
// The engine is QuickJS: no Node modules, no `fetch`, no `TextEncoder`. What reaches outside is `runner:plugin/*`.

import * as process from "runner:plugin/process@0.2.0";

// Throw them: `throw failed("the disk is full", "free some room")`. The kind decides what the host does next.
export const invalid = (message, remedy) => error("invalid", message, remedy);
export const denied = (message, remedy) => error("denied", message, remedy);
export const exhausted = (message, remedy, retryAfter) => retryable("exhausted", message, remedy, retryAfter);
export const unavailable = (message, remedy, retryAfter) => retryable("unavailable", message, remedy, retryAfter);
export const gone = (message, remedy) => error("gone", message, remedy);
export const unsupported = (message, remedy) => error("unsupported", message, remedy);
export const failed = (message, remedy) => error("failed", message, remedy);

function error(tag, message, remedy = null) {
  return { tag, val: { message, remedy } };
}

// `retryAfter` is in milliseconds.
function retryable(tag, message, remedy = null, retryAfter = null) {
  return { tag, val: { message, remedy, retryAfter } };
}

// The source's configuration. The host has validated it by the manifest's schema and filled in the defaults.
export function config(ctx) {
  return JSON.parse(ctx.config);
}

// Text as UTF-8.
export function bytes(text) {
  const encoded = unescape(encodeURIComponent(text));
  return Uint8Array.from(encoded, (character) => character.charCodeAt(0));
}

// Bytes as text; what is not UTF-8 is taken for Latin-1.
export function text(raw) {
  let encoded = "";
  for (const byte of raw) encoded += String.fromCharCode(byte);
  try {
    return decodeURIComponent(escape(encoded));
  } catch {
    return encoded;
  }
}

// Runs a program and answers what it printed and how it ended, whatever that was.
export function output(argv, stdin = "") {
  const command = { argv: argv.map(word), env: [], cwd: null, tty: false, id: "" };
  const captured = process.output(command, bytes(stdin));
  return { status: captured.status, stdout: text(captured.stdout), stderr: text(captured.stderr) };
}

// The same for a program that must end with code 0: what it printed, without the last line break. Otherwise throws `failed`.
export function succeed(argv, stdin = "") {
  const { status, stdout, stderr } = output(argv, stdin);
  if (status.tag !== "code" || status.val !== 0) {
    const ended = status.tag === "code" ? `ended with code ${status.val}` : `was killed by signal ${status.val}`;
    const complaint = stderr.trimEnd().split("\n").pop();
    throw failed(`\`${argv[0]}\` ${ended}${complaint ? `: ${complaint}` : ""}`);
  }
  return stdout.replace(/[\r\n]+$/, "");
}

// Runs the caller's command, behind the words of `prefix`, in `directory` unless the caller named another. The caller's own
// streams are connected to it; nothing passes through here.
export function runIn(directory, command, io, prefix = []) {
  const argv = [...prefix.map(word), ...command.argv];
  return process.exec({ ...command, argv, cwd: startingIn(directory, command.cwd) }, io);
}

const SLASH = 0x2f;

function startingIn(directory, cwd) {
  if (cwd === null || cwd === undefined) return bytes(directory);
  if (cwd[0] === SLASH) return cwd;
  return Uint8Array.from([...bytes(directory), SLASH, ...cwd]);
}

function word(argument) {
  return typeof argument === "string" ? bytes(argument) : argument;
}
