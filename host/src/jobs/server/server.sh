# The resident script server: one bash per machine that runs scripts as they come in over its standard input.
#
# Read from that input, too: `protocol.rs` takes these comments out, sets T (a random word that all that we
# say begins with) and speaks the other side. Needs bash 4.1, tar, grep and coreutils, and no place to write; only
# bash before 5.1, and scripts of more than 64 KiB, want one for a temporary file, which bash removes before it is read.
#
#   s NAME LENGTH         a piece of text follows, kept under this name
#   r SEQ 0 NAME…         run the pieces as one script
#   k SEQ                 kill that script with everything it started
#   u SEQ LENGTH NAME…    run the pieces, with the bytes that follow as their input
#   q                     end
#
# What a script prints passes through as it is; when it has ended, and nothing that it left in its process group can print any
# more, `T SEQ STATUS` follows. Two processes, so that `k` is heard while a script runs: a child reads, this one runs and waits. When this one is
# killed nothing else keeps the connection open, so that nobody waits for an end that does not come.
exec 3>&1 5<&0
unset ${!SUDO_@}
shopt -u checkwinsize 2>/dev/null

# The script with its whole tree: its process group, its children and theirs, and whoever left all of that (daemons) but
# still has the mark M in its environment. Each is stopped first, so that nothing forks away while we look.
slay() {
  local seen=" $S " more=1 f p r
  again=1
  [[ $S ]] || return
  kill -STOP -- "-$S"
  while ((more)); do
    more=0
    for f in /proc/[0-9]*/stat; do
      p=${f#/proc/} p=${p%/stat}
      [[ $seen == *" $p "* ]] && continue
      r=
      read -r r < "$f" || continue
      set -f; set -- ${r##*) }; set +f
      if [[ $seen == *" $2 "* || $3 == "$S" ]]; then
        kill -STOP "$p"
        seen+="$p "
        more=1
      fi
    done
    for f in $(grep -lsxzF -e "SCRIPT_OF_RUNNER=$M" /proc/[0-9]*/environ); do
      p=${f#/proc/} p=${p%/environ}
      [[ $seen == *" $p "* ]] && continue
      kill -STOP "$p"
      seen+="$p "
      more=1
    done
  done
  kill -KILL -- "-$S"
  kill -KILL $seen
}

# Waits for what the script left behind in its group and can still print: it would do so in the middle of the next script. What
# runs in the background and holds nothing of ours (a service for the next script) is left alone.
linger() {
  local f r d out=/proc/$$/fd/3 left=
  for f in /proc/[0-9]*/stat; do
    r=
    read -r r < "$f" || continue
    set -f; set -- ${r##*) }; set +f
    [[ $3 == "$S" ]] || continue
    for d in "${f%/stat}"/fd/*; do
      [[ $d -ef $out ]] && { left+=" $d"; break; }
    done
  done
  [[ $left ]] || return 1
  for d in $left; do
    while [[ $d -ef $out ]]; do sleep 0.02; done
  done
}

# Reads the connection (0), and hands orders on to the other process (1), which says (6) when it has read its share.
listen() {
  local verb name rest text script piece
  declare -A P
  while IFS=' ' read -r verb name rest; do
    case $verb in
      s)
        IFS= LC_ALL=C read -r -N "$rest" text || break
        P[$name]=$text
        ;;
      r | u)
        script= text=
        for piece in ${rest#* }; do script+=$text text=${P[$piece]}; done
        LC_ALL=C
        printf '%s %s %s %s %s\n%s%s' "$verb" "$name" "${rest%% *}" "${#script}" "${#text}" "$script" "$text"
        [[ $verb != u ]] || read -r text <&6
        ;;
      k) kill -USR1 $$ ;;
      q) break ;;
    esac
  done
  # Whoever gave the orders is gone, or has none left: what runs ends too.
  kill -USR1 $$
}

boot=
read -r boot < /proc/sys/kernel/random/boot_id
zstd=no
type -P zstd > /dev/null && zstd=yes
printf '%s hello %s %s %s %s\n' "$T" "$BASH_VERSION" "$UID" "${boot:--}" "$zstd"
exec 2>/dev/null
S=
trap slay USR1
coproc R { exec 6<&0 <&5 5<&- 3>&-; trap '' USR1; listen; }
exec </dev/null >&- 6<&"${R[0]}" 7>&"${R[1]}"
# What only sets the stage, and the last piece.
while read -r verb seq bytes before length <&6; do
  head=
  ((before == 0)) || IFS= LC_ALL=C read -r -N "$before" head <&6
  IFS= LC_ALL=C read -r -N "$length" script <&6
  if [[ $verb == u ]]; then
    head -c "$bytes" <&5 | {
      /bin/bash -eu -c "$head$script" /bin/bash >&3 2>&1 3>&- 5<&- 6<&- 7>&-
      status=$?
      cat > /dev/null
      exit $status
    }
    status=$?
    echo >&7
  else
    M=$seq.$$.$RANDOM$RANDOM
    # With a process group of its own; only now, or a script that stops would look like one that has ended.
    set -m
    # Not as an argument: whoever looks for a process by its command line (`pkill -f`) would find the script that does, and
    # everybody may read that. As input, as far as traces and errors tell of it; bash reads that byte by byte.
    if ((before < 100000)); then
      first='eval "unset S; $S"'
    else
      first=$'unset S\n'$head head=
    fi
    SCRIPT_OF_RUNNER=$M S=$head /bin/bash -eu <<< "$first"$'\n{\n'"$script"$'\n} < /dev/null' >&3 2>&1 3>&- 5<&- 6<&- 7>&- &
    set +m
    S=$! again=1
    while ((again)); do again=0; wait "$S"; status=$?; done
    while kill -0 -- "-$S" && linger; do :; done
    S=
  fi
  printf '%s %s %s\n' "$T" "$seq" "$status" >&3
done
