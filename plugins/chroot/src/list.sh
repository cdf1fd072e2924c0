# Prints the command lines of what carries any token, a word per line.
for file in $(grep -lsxzE 'runner-chroot[:][0-9a-f]{32}' /proc/[0-9]*/cmdline); do
  tr '\0' '\n' <"$file" 2>/dev/null || :
done
