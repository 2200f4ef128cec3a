"""Tests that are runs of a program, which is linked once for all of them."""

def _run_test_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = ctx.executable.program,
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = ctx.files.data)
    for target in [ctx.attr.program] + ctx.attr.data:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return [
        DefaultInfo(executable = executable, runfiles = runfiles),
        testing.TestEnvironment(ctx.attr.env),
    ]

run_test = rule(
    implementation = _run_test_impl,
    doc = "Runs a program with `args`; tags, size and the like are as for any test.",
    attrs = {
        "program": attr.label(
            mandatory = True,
            executable = True,
            cfg = "target",
            doc = "a cc_binary, say",
        ),
        "data": attr.label_list(allow_files = True, doc = "what it finds where it starts"),
        "env": attr.string_dict(doc = "its environment, as for cc_test"),
    },
    test = True,
)
