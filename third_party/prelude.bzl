"""Headers of the system that clang parses once for all files of a build.

Whoever depends on a `prelude` has the precompiled headers among its inputs; `.bazelrc` names the
file to the compiler.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _prelude_impl(ctx):
    if not ctx.attr.levels:
        return [CcInfo()]
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        # It is in no module.
        unsupported_features = ctx.disabled_features + ["layering_check", "module_maps"],
    )
    watched = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    compiled = []
    for level in ctx.attr.levels:
        out = ctx.actions.declare_file("%s%s.pch" % (ctx.label.name, level))
        compiled.append(out)

        # All that clang compares with the files that use it. Headers are named on the command
        # line, and found where the system has them: no path of a sandbox gets into the result.
        flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + [
            level,
            "-fmodules-strict-decluse",
            "-fpch-instantiate-templates",
            "-xc++-header",
        ]
        for header in ctx.attr.headers:
            flags += ["-include", header]
        variables = cc_common.create_compile_variables(
            feature_configuration = features,
            cc_toolchain = toolchain,
            source_file = "/usr/include/stdint.h",
            output_file = out.path,
            user_compile_flags = flags,
            use_pic = True,
        )
        ctx.actions.run(
            executable = cc_common.get_tool_for_action(
                feature_configuration = features,
                action_name = CPP_COMPILE_ACTION_NAME,
            ),
            arguments = cc_common.get_memory_inefficient_command_line(
                feature_configuration = features,
                action_name = CPP_COMPILE_ACTION_NAME,
                variables = variables,
            ),
            env = {"PWD": "/proc/self/cwd"},
            inputs = depset(
                transitive = [watched.compilation_context.headers, toolchain.all_files],
            ),
            outputs = [out],
            mnemonic = "CppPrelude",
        )
    return [CcInfo(compilation_context = cc_common.create_compilation_context(
        headers = depset(compiled),
    ))]

prelude = rule(
    implementation = _prelude_impl,
    attrs = {
        "headers": attr.string_list(mandatory = True, doc = "as in #include <...>"),
        "levels": attr.string_list(doc = "one for each -O that files are compiled with"),
        "deps": attr.label_list(
            providers = [CcInfo],
            doc = "whose headers are among them: parse them again when these change",
        ),
        "_cc_toolchain": attr.label(
            default = Label("@bazel_tools//tools/cpp:current_cc_toolchain"),
        ),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
