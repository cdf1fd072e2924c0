# machine.sh FUNCTION ARGUMENTS: the processes behind the machines. They are recognised by QEMU's `-name`, which is
# `runner.TOKEN.STATE.SOURCE`, never by a number that was written down.

# The port of 127.0.0.1 that this process listens on; nothing while it does not.
port() {
    awk '$2 ~ /^0100007F:/ && $4 == "0A" { print $2, $10 }' /proc/net/tcp | while read -r address inode; do
        if ls -l "/proc/$1/fd" 2> /dev/null | grep -qF "socket:[$inode]"; then
            echo $((0x${address#*:}))
            break
        fi
    done
}

# `PID NAME` of every machine whose name begins so.
named() {
    for file in $(grep -las "runner\.$1" /proc/[0-9]*/cmdline); do
        pid=${file#/proc/}
        pid=${pid%/cmdline}
        case $(readlink "/proc/$pid/exe") in */qemu-system-*) ;; *) continue ;; esac
        name=$(tr '\0' '\n' < "$file" | sed -n '/^-name$/{n;p;q;}')
        case $name in runner."$1"*) echo "$pid $name" ;; esac
    done
}

# `NAME PORT` of the machines that run.
list() {
    named "$1" | while read -r pid name; do
        echo "$name $(port "$pid")"
    done
}

# Ends them, and answers when they have ended. Each takes as long as the system needs to take back its memory.
end() {
    tries=0
    while left=$(named "$1") && [ -n "$left" ]; do
        tries=$((tries + 1))
        [ "$tries" -le 400 ] || { echo "still running: $left" >&2 && exit 1; }
        echo "$left" | while read -r pid _; do kill -9 "$pid"; done
        sleep 0.1
    done
}

# start LOG DIRECTORY COMMAND…: starts a machine that outlives us, and prints the port that is its ssh.
start() {
    log=$1
    cd "$2" || exit 1
    shift 2
    setsid "$@" < /dev/null > "$log" 2>&1 &
    while readlink "/proc/$!/exe" > /dev/null; do
        port=$(port $!)
        [ -z "$port" ] || { echo "$port" && exit; }
        sleep 0.05
    done
    cat "$log" >&2
    exit 1
}

# An ssh server answers there. QEMU itself takes the connection, so it must say something, too.
answers() {
    [ -n "$1" ] && ssh-keyscan -T 2 -p "$1" 127.0.0.1 2> /dev/null | grep -q .
}

# boots SECONDS COMMAND…: whether the machine boots in that time. It leaves nothing.
boots() {
    end=$(($(date +%s) + $1))
    shift
    "$@" < /dev/null > /dev/null 2>&1 &
    trap 'kill -9 $!' EXIT
    while [ "$(date +%s)" -lt "$end" ] && readlink "/proc/$!/exe" > /dev/null; do
        ! answers "$(port $!)" || exit 0
        sleep 0.2
    done
    exit 1
}

# save PARENT KEY IMAGE COMMAND…: boots the machine once, saves it with everything that it has in memory, and prints where. What is
# saved is never changed: the disks of others stand on it. Another image or another command is another machine.
save() {
    mkdir -p "$1" || exit 1
    saved=$1/$(printf '%s %s' "$2" "$(stat -Lc '%i %s %Y' "$3")" | sha256sum | cut -c1-16)
    image=$3
    shift 3
    exec 8> "$saved.lock"
    flock 8
    if [ ! -d "$saved" ]; then
        rm -rf "$saved.new"
        mkdir "$saved.new"
        cd "$saved.new" || exit 1
        cp -r "$RUNNER_SEED" seed 2> /dev/null
        qemu-img create -q -f qcow2 -b "$image" -F "$RUNNER_FORMAT" disk.qcow2 $RUNNER_SIZE 8>&- || exit 1
        mkfifo monitor
        "$@" -monitor stdio < monitor > log 2>&1 8>&- &
        trap 'kill -9 $! 2> /dev/null' EXIT
        exec 7> monitor
        until answers "$(port $!)"; do
            readlink "/proc/$!/exe" > /dev/null || { cat log >&2 && exit 1; }
            sleep 0.2
        done
        # Written by a program, because QEMU before 8.2 writes no file itself. Without `-d` it is over when the next is read.
        printf '%s\n' 'migrate "exec:cat > state"' 'info migrate' 'quit' >&7
        exec 7>&-
        wait $!
        grep -aq 'status: completed' log && [ -s state ] || { tail -n 3 log >&2 && exit 1; }
        cd .. && mv "$saved.new" "$saved" || exit 1
    fi
    echo "$saved"
}

"$@"
