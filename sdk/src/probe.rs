//! Measuring facts with nothing but a POSIX shell, for every instance that has one.

use crate::Facts;

impl Facts {
    /// A script for `sh -c` on the instance; what it prints is for [`Facts::measured`]. What cannot be found out is left out.
    pub const SCRIPT: &'static str = r#"
echo "arch=$(uname -m)"
echo "hostname=$(uname -n)"
echo "cpus=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
while read -r key value _; do
  [ "$key" != MemTotal: ] || echo "memory=$((value * 1024))"
done 2>/dev/null </proc/meminfo
group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
for file in "/sys/fs/cgroup$group/memory.max" /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ ! -r "$file" ] || echo "memory=$(cat "$file")"
done
for file in /etc/os-release /usr/lib/os-release; do
  if [ -r "$file" ]; then
    (. "$file" && echo "os=$ID${VERSION_ID:+-$VERSION_ID}")
    break
  fi
done
"#;

    /// Reads what [`Facts::SCRIPT`] printed. Of several amounts of memory the smallest counts: it may be a limit.
    pub fn measured(printed: &[u8]) -> Self {
        let mut facts = Self::default();
        for line in String::from_utf8_lossy(printed).lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let text = Some(value.trim())
                .filter(|value| !value.is_empty())
                .map(str::to_owned);
            match key {
                "arch" => facts.arch = text,
                "hostname" => facts.hostname = text,
                "os" => facts.os = text,
                "cpus" => facts.cpus = value.trim().parse().ok().filter(|cpus| *cpus > 0),
                "memory" => {
                    // `max` is no number, and a limit that is not set is a huge one: neither makes it smaller.
                    let found: Option<u64> = value.trim().parse().ok();
                    facts.memory = match (facts.memory, found) {
                        (Some(known), Some(found)) => Some(known.min(found)),
                        (known, found) => known.or(found),
                    };
                }
                _ => {}
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_measures_this_machine() {
        let output = std::process::Command::new("sh")
            .args(["-c", Facts::SCRIPT])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let facts = Facts::measured(&output.stdout);
        assert_eq!(facts.arch.as_deref(), Some(std::env::consts::ARCH));
        assert!(facts.cpus.is_some() && facts.memory.is_some() && facts.hostname.is_some());
    }

    #[test]
    fn limits_make_memory_smaller_and_nonsense_is_left_out() {
        let facts = Facts::measured(
            b"cpus=x\nmemory=800\nmemory=max\nmemory=400\nos=\nnoise\nmemory=9223372036854771712\n",
        );
        assert_eq!(
            facts,
            Facts {
                memory: Some(400),
                ..Facts::default()
            }
        );
    }
}
