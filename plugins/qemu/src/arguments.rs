//! QEMU's command line. The same for the machine that is saved and for those that start from it, because QEMU puts memory
//! back only into the devices that it came from.

use runner_sdk::Command;

use crate::Config;

/// What a command line depends on.
pub(crate) struct Machine<'a> {
    pub(crate) config: &'a Config,
    pub(crate) firmware: Option<&'a str>,
    pub(crate) kvm: bool,
}

impl Machine<'_> {
    /// The command. It is started in the directory where `seed` is.
    pub(crate) fn command(&self, name: &str, disk: &str, format: &str, console: &str) -> Command {
        let config = self.config;
        let restrict = if config.restrict { ",restrict=on" } else { "" };
        let (accel, cpu) = if self.kvm {
            ("kvm", "host")
        } else {
            ("tcg", "max")
        };
        let mut command = Command::new(format!("qemu-system-{}", config.system))
            .args(["-name", name, "-accel", accel, "-cpu", cpu])
            .args(["-machine", &config.machine, "-m", &config.memory])
            .args([
                "-smp",
                &config.cpus.to_string(),
                "-nodefaults",
                "-display",
                "none",
            ])
            .arg("-drive")
            .arg(format!("file={},if=virtio,format={format}", escaped(disk)))
            .arg("-netdev")
            // The system chooses a port that is free, and QEMU's is then the only one there.
            .arg(format!("user,id=n,hostfwd=tcp:127.0.0.1:0-:22{restrict}"))
            .args(["-serial", &format!("file:{}", escaped(console))])
            .args([
                "-device",
                "virtio-net-pci,netdev=n",
                "-device",
                "virtio-rng-pci",
            ]);
        if config.has_seed() {
            command = command.args([
                "-drive",
                "if=virtio,format=vvfat,dir=seed,label=CIDATA,read-only=on",
            ]);
        }
        if let Some(firmware) = self.firmware {
            let drive = format!(
                "if=pflash,format=raw,unit=0,readonly=on,file={}",
                escaped(firmware)
            );
            command = command.args(["-drive", &drive]);
        }
        // Tells a guest that it was copied, so that its random numbers are its own again.
        if config.system == "x86_64" {
            command = command.args(["-device", "vmgenid,guid=auto"]);
        }
        if let Some(kernel) = &config.kernel {
            command = command.args(["-kernel", kernel, "-append", &config.append]);
        }
        if let Some(initrd) = &config.initrd {
            command = command.args(["-initrd", initrd]);
        }
        command.args(&config.extra_args)
    }
}

/// A path as a value among QEMU's options, where a comma ends it and two are one.
pub(crate) fn escaped(path: &str) -> String {
    path.replace(',', ",,")
}
