"""Classes that need more than a file, and those that do not concern this reader."""


def cases(t):
    t.absent(70, "files that change while they are read: `files_that_change` in bad_input.rs", "elsewhere")
    t.absent(71, "folders, pipes, devices, loops of links: `no_regular_files` in bad_input.rs", "elsewhere")
    t.absent(72, "a full disk: output is tested with the output writers", "elsewhere")
    t.absent(73, "a killed writer: tested with the writers", "elsewhere")
