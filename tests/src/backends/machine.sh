# A machine, as far as ssh can tell: process 1 of its own process and mount namespaces. $1: its directory, $2: its port.
#
# Private: /root, root's password, /usr/local/sbin (with a `reboot`), the boot id, and every process; with `sudoers` also the
# accounts and /home. Everything else is the real machine's, so nothing has to be installed. Ends, with all that it started,
# when it is killed.
set -eu
cd "$1"
port=$2
mount --bind root /root
mount --bind shadow /etc/shadow
mount --bind sbin /usr/local/sbin
if [ -e sudoers ]; then
  mount --bind home /home
  mount --bind passwd /etc/passwd
  mount --bind sudoers /etc/sudoers
fi
boot() {
  new=$(cat /proc/sys/kernel/random/uuid)
  printf '%s\n' "$new" > boot_id
}
boot
mount --bind boot_id /proc/sys/kernel/random/boot_id
sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd)
while :; do
  rm -f reboot
  "$sshd" -D -f server -E log -p "$port" &
  # `reboot` makes the file; nobody else is asked, so that it works with no shell left.
  until [ -e reboot ]; do
    if ! kill -0 $! 2> /dev/null; then exit 1; fi
    sleep 0.02
  done
  # Everybody but us.
  kill -KILL -1 2> /dev/null || :
  wait
  boot
done
