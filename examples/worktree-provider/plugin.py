"""A clean checkout of a repository for each instance: a git worktree at one revision, on this machine.

The backend is git itself. A worktree lies in the instance's own directory, and its name is the allocation token behind the id of
the books that it is for: both are in git's books from the moment there is anything at all.
"""

from time import sleep

from runner_sdk import config, failed, gone, invalid, output, run_in, succeed, text, unsupported
from wit_world import exports
from wit_world.exports.inventory import Entry
from wit_world.imports import types

def label(ctx, token):
    """What a worktree is called."""
    return f"{ctx.state_id}-{token}"


def git(ctx, *words):
    """What git did about the source's repository, told in English."""
    return output("git", "-C", config(ctx).repository, *words, env={"LC_ALL": "C"})


def worktrees(ctx):
    """The path of each worktree that these books made, by token."""
    listed = git(ctx, "worktree", "list", "--porcelain")
    if listed.status != types.ExitStatus_Code(0):
        said = text(listed.stderr)
        # A repository that is not there has no worktrees: its books went with it.
        if "not a git repository" in said or "No such file or directory" in said:
            return {}
        raise failed(f"git cannot list the worktrees of `{config(ctx).repository}`: {said}")
    found = {}
    for line in text(listed.stdout).splitlines():
        word, _, path = line.partition(" ")
        state_id, _, token = path.rpartition("/")[2].partition("-")
        if word == "worktree" and state_id == ctx.state_id:
            found[token] = path
    return found


def commit_of(ctx):
    """The configured revision, as a commit."""
    revision = config(ctx).revision
    known = git(ctx, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if known.status != types.ExitStatus_Code(0):
        raise invalid(
            f"`{config(ctx).repository}` is no repository with a revision `{revision}`",
            "set `repository` to a git repository on this machine, and `revision` to a branch, tag or commit in it",
        )
    return text(known.stdout)


class Provider(exports.Provider):
    def allocate(self, ctx, req):
        commit = commit_of(ctx)
        path = f"{req.workdir}/{label(ctx, req.token)}"
        # Two that are made at once read each other's half-written books. `--force`: the first try may have been written down.
        for pause in (0.1, 0.5, 1, 0):
            made = git(ctx, "worktree", "add", "--quiet", "--force", "--detach", path, commit)
            if made.status == types.ExitStatus_Code(0):
                return types.Allocated(handle=path, access=types.Access_Plugin(), attributes=[("commit", commit)])
            sleep(pause)
        raise failed(f"git cannot make the worktree: {text(made.stderr)}")

    def run(self, ctx, inst, cmd, io):
        return run_in(inst.handle, cmd, io, "env", "--")

    def copy(self, ctx, inst, dir, io):
        raise unsupported("tar over run does it")

    def discard(self, ctx, what):
        path = worktrees(ctx).get(what.token)
        if path is None:
            return
        # Twice `--force`: changed files do not matter, nor does the lock of an `add` that was cut off.
        git(ctx, "worktree", "remove", "--force", "--force", path)
        # What has no directory any more is not removed but pruned, and not while it is locked.
        git(ctx, "worktree", "unlock", path)
        pruned = git(ctx, "worktree", "prune", "--expire", "now")
        if what.token in worktrees(ctx):
            raise failed(f"git still has the worktree `{path}`: {text(pruned.stderr)}")


class Inventory(exports.Inventory):
    def list(self, ctx):
        return [Entry(token=token, handle=path) for token, path in worktrees(ctx).items()]


class Liveness(exports.Liveness):
    def check(self, ctx, inst):
        if output("git", "-C", inst.handle, "rev-parse", "--git-dir").status != types.ExitStatus_Code(0):
            raise gone(f"`{inst.handle}` is no worktree any more")


class Reuse(exports.Reuse):
    def clean(self, ctx, inst):
        succeed("git", "-C", inst.handle, "checkout", "--quiet", "--force", "--detach", commit_of(ctx))
        # Twice `--force`: repositories in it as well.
        succeed("git", "-C", inst.handle, "clean", "--quiet", "-ffdx")
