# Process 1 of an instance: puts its file system together, says `ready`, then waits, so that it reaps what is orphaned.
# Arguments: the marker with the token, source, the state's id, name, `keep` or `none`. It sees the host's file system and /proc; commands are put into `root` by chroot. Everything here is gone with it.
set -eu
name=$4 network=$5
printf '%.63s\n' "$name" >/proc/sys/kernel/hostname
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=over root
cd root
for mountpoint in dev proc sys tmp; do
  if [ -L "$mountpoint" ]; then
    echo "\`/$mountpoint\` of the root file system is a symbolic link" >&2
    exit 1
  fi
  [ -d "$mountpoint" ] || mkdir "$mountpoint"
done
chmod 1777 tmp
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o nosuid,noexec,mode=755,size=64k tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s pts/ptmx /proc/self/fd dev
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
if [ "$network" = keep ]; then
  # Inside: a link of the root file system must not lead to a file of the host.
  [ ! -r /etc/resolv.conf ] ||
    chroot . /bin/sh -c 'rm -f /etc/resolv.conf; cat >/etc/resolv.conf' </etc/resolv.conf 2>/dev/null || :
else
  ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || :
fi
cd ..
noted >holder.new
mv holder.new holder
echo ready
exec >/dev/null 2>&1
while :; do
  sleep 60 &
  wait $!
  for note in note-*; do
    [ -e "$note" ] || continue
    read -r pid start <"$note"
    alive "$pid" "$start" || rm -f "$note"
  done
done
