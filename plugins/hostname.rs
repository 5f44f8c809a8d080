//! The name of this machine.

/// The machine's name as the kernel has it (`uname -n`, so a container's own), `localhost` where nobody says.
pub(crate) fn hostname() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.unwrap_or_default().trim().to_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
