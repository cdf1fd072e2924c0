// Machines of a lab, booked over its HTTP API and reached by ssh. `lab.py` beside this file is such a lab.
//
// A booking's name is the allocation token, so that booking twice is booking once, and what a crash left behind is found.

import { fetch } from "runner:plugin/http@0.2.0";
import { bytes, config, denied, exhausted, failed, text, unavailable, unsupported } from "../../sdk/js/runner-sdk.js";

export const provider = {
  allocate(ctx, req) {
    const wish = { holder: holder(ctx), kind: config(ctx).kind ?? null };
    const answer = ask(ctx, "PUT", `/bookings/${req.token}`, wish);
    if (answer.status === 409) {
      throw exhausted("no machine of the lab is free", null, 1000 * Number(header(answer, "retry-after") ?? 30));
    }
    const { machine } = expect(answer, 200, 201);
    const { address: host, port, user } = machine;
    return {
      handle: machine.name,
      access: { tag: "ssh", val: { ...AS_THE_USER, host, port: port ?? null, user: user ?? null } },
      attributes: [["machine", machine.name]],
    };
  },

  // The host goes to the machine itself.
  run() {
    throw unsupported("the lab's machines are reached by ssh");
  },

  copy() {
    throw unsupported("the lab's machines are reached by ssh");
  },

  discard(ctx, what) {
    const answer = ask(ctx, "DELETE", `/bookings/${what.token}`);
    if (answer.status !== 404) expect(answer, 204);
  },
};

export const inventory = {
  list(ctx) {
    const { bookings } = expect(ask(ctx, "GET", `/bookings?holder=${encodeURIComponent(holder(ctx))}`), 200);
    return bookings.map((booking) => ({ token: booking.name, handle: booking.machine.name }));
  },
};

export const liveness = {
  check(ctx, inst) {
    expect(ask(ctx, "GET", `/bookings/${inst.token}`), 200);
  },
};

// Keys and known hosts are those of whoever runs `runner`.
const AS_THE_USER = { keys: [], certificate: null, password: null, hostKeys: { tag: "known-hosts" } };

// Two users, or two state directories, may have sources of one name.
function holder(ctx) {
  return `${ctx.stateId}/${ctx.source}`;
}

// One request to the lab, as whoever the secret says we are.
function ask(ctx, method, path, body) {
  const { url } = config(ctx);
  return fetch({
    method,
    url: url + path,
    headers: [["content-type", "application/json"]],
    body: body === undefined ? bytes("") : bytes(JSON.stringify(body)),
    timeout: null,
    // The host puts the secret in on its way out: it never comes in here.
    auth: { tag: "bearer", val: "LAB_TOKEN" },
  });
}

// The body of an answer with one of these codes; for any other, the error that tells the host what to do next.
function expect(answer, ...codes) {
  const said = text(answer.body);
  if (codes.includes(answer.status)) return said === "" ? {} : JSON.parse(said);
  const message = `the lab answered ${answer.status}: ${said.slice(0, 200)}`;
  if (answer.status === 401 || answer.status === 403) throw denied(message, "set the secret `LAB_TOKEN`");
  if (answer.status === 429 || answer.status >= 500) throw unavailable(message);
  throw failed(message);
}

function header(answer, name) {
  return answer.headers.find(([key]) => key === name)?.[1];
}
