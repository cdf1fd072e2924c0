#!/usr/bin/env bash
# A machine as small as one can be that still is one: Debian's cloud kernel, and a busybox with dropbear as its user land.
# Its disk is an ext4 file system without an operating system, so that what is written to it can be told apart.
#
#   tests/vm.sh DIRECTORY      makes vmlinux, initrd and disk.qcow2 there, unless they are there
#
# Nothing is installed: the kernel's package is only unpacked. Needs apt-get, busybox (static), dropbear, lz4, mke2fs, qemu-img.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
[ -e "$out/complete" ] && exit 0
scratch=$(mktemp -d "$out/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
apt-get download -qq -o APT::Sandbox::User=root "$package"
dpkg -x ./*.deb kernel
release=$(ls kernel/lib/modules)

# The kernel is wanted as an ELF file, for its PVH entry: it boots a second sooner than the compressed one. Where the payload lies is
# in the boot protocol's header; 0x248 and 0x24c, from the end of the setup sectors (0x1f1).
image=(kernel/boot/vmlinuz-*)
number() { od -An -t "u$2" -j "$(($1))" -N "$2" "${image[0]}" | tr -d ' '; }
offset=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
dd if="${image[0]}" iflag=skip_bytes,count_bytes bs=1M skip="$offset" count="$(($(number 0x24c 4) - 4))" status=none \
    | lz4 -dc > vmlinux

mkdir -p root/{bin,dev,proc,sys,run,tmp,root,etc/dropbear,lib,disk,modules}
cp "$(command -v busybox)" root/bin/busybox
for name in $(root/bin/busybox --list); do
    [ "$name" = busybox ] || ln -s busybox "root/bin/$name"
done
# dropbear comes with its libraries, wherever the loader finds them.
dropbear=$(command -v dropbear || echo /usr/sbin/dropbear)
cp "$dropbear" "$(dirname "$dropbear")/../bin/dropbearkey" root/bin/
ldd "$dropbear" | grep -o '/[^ )]*' | while read -r library; do
    mkdir -p "root$(dirname "$library")"
    cp -L "$library" "root$library"
done
# In the order in which they are wanted; ext4 is built in.
modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net virtio_blk
    nls_cp437 nls_ascii fat vfat'
for module in $modules; do
    find "kernel/lib/modules/$release" -name "$module.ko" -exec cp {} root/modules/ \;
done
echo 'root:x:0:0:root:/root:/bin/sh' > root/etc/passwd
echo 'root:x:0:' > root/etc/group
echo /bin/sh > root/etc/shells
cat > root/init << 'INIT'
#!/bin/sh
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
mkdir -p /dev/pts /dev/shm; mount -t devpts p /dev/pts; mount -t tmpfs t /run; mount -t tmpfs t /dev/shm
for module in MODULES; do
    [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done
mount -t ext4 /dev/vda /disk
# A cloud image would ask cloud-init for its user's key; this one looks where that looks.
mkdir -p /seed /root/.ssh
for disk in /dev/vd?1 /dev/vd?; do
    [ "$disk" != /dev/vda ] && mount -t vfat -o ro "$disk" /seed 2> /dev/null && break
done
grep -rhos 'ssh-ed25519 [A-Za-z0-9+/=]*' /seed > /root/.ssh/authorized_keys
hostname "$(sed -n 's/^local-hostname: *//p' /seed/meta-data 2> /dev/null || echo tiny)"
chmod 700 /root /root/.ssh; chmod 600 /root/.ssh/authorized_keys
echo "$(hostname) trusts $(wc -l < /root/.ssh/authorized_keys) key"
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
dropbear -R -s -E -F &
while :; do wait; sleep 1; done
INIT
sed -i "s/MODULES/$(echo $modules)/" root/init
chmod 755 root/init
(cd root && find . | ./bin/busybox cpio -o -H newc 2> /dev/null | gzip -1) > initrd
mkdir disk
echo 'as it was made' > disk/origin
mke2fs -q -t ext4 -d disk disk.raw 32M
qemu-img convert -O qcow2 disk.raw disk.qcow2
mv vmlinux initrd disk.qcow2 "$out/"
touch "$out/complete"
