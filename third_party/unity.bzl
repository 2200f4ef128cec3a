"""Files of one target that test/run compiles as one.

Most of what clang does for a file is to read headers and to instantiate what is in them, which the
files of one target have in common. So where the prelude is (see prelude.bzl), a target made here is
one file that includes the others. From nothing, the clang build takes three quarters of the time,
and those of the sanitizers two thirds. All other builds compile each by itself, which is what shows
an include that one of them forgot. What files of one target have in an anonymous namespace needs
different names, therefore.
"""

load(":run_test.bzl", "run_test")

def _unity_impl(ctx):
    ctx.actions.write(
        ctx.outputs.out,
        "".join(["#include \"%s\"\n" % source.short_path for source in ctx.files.srcs]),
    )

_unity_rule = rule(
    implementation = _unity_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cc"], mandatory = True),
        "out": attr.output(mandatory = True),
    },
)

def _where_joined(joined, apart):
    return select({
        "//third_party:with_prelude": joined,
        "//third_party:with_quick_prelude": joined,
        "//conditions:default": apart,
    })

def _unity(name, srcs):
    _unity_rule(name = name, srcs = srcs, out = name + ".cc", tags = ["manual"])
    return name + ".cc"

# What one file calls as another calls its parameter; g++ looks at each by itself.
_copts = ["-Wno-shadow"]

def cc_library(name, srcs = [], copts = [], **others):
    """As the native one, with its sources compiled together."""
    sources = [source for source in srcs if source.endswith(".cc")]
    if len(sources) < 2:
        native.cc_library(name = name, srcs = srcs, copts = copts, **others)
        return
    headers = [source for source in srcs if not source.endswith(".cc")]

    # .bazelrc knows tests by their names.
    tests = [source for source in sources if source.endswith("_test.cc")]
    joined = _unity(name + ("_unity_test" if tests == sources else "_unity"), sources)
    native.cc_library(
        name = name,
        srcs = headers + _where_joined([joined], sources),
        copts = copts + _where_joined(_copts, []),
        textual_hdrs = _where_joined(sources, []),
        **others
    )

def unit_tests(tests, deps, name = "unit", size = "small", tags = [], hdrs = [], data = []):
    """A test for each of some files of doctest cases, which may be compiled together.

    Then each is a run of one program, with the cases of its own file only; otherwise it is a run of
    its own, NAME_alone.

    Args:
      tests: their names; NAME.cc is the source of each.
      deps: what they are built from, without doctest.
      name: of the files together, where a package has several of these.
      size: as for cc_test.
      tags: as for cc_test.
      hdrs: headers of their own.
      data: what they find where they start.
    """
    sources = [test + ".cc" for test in tests]
    joined = _unity(name + "_unity_test", sources)
    native.cc_library(
        name = name,
        testonly = True,
        srcs = _where_joined([joined] + hdrs, []),
        copts = _copts,
        linkstatic = True,
        tags = ["manual"],
        textual_hdrs = _where_joined(sources, []),
        visibility = ["//visibility:private"],
        deps = deps + ["@doctest"],
        alwayslink = True,
    )
    _program(name + "_tests", deps = [":" + name])
    for test in tests:
        _program(test + "_alone", srcs = [test + ".cc"] + hdrs, deps = deps + ["@doctest"])
        run_test(
            name = test,
            size = size,
            args = ["--source-file=*%s/%s.cc" % (native.package_name(), test)],
            data = data,
            program = _where_joined(":%s_tests" % name, ":%s_alone" % test),
            tags = tags,
        )

def _program(name, deps, srcs = []):
    """Of doctest cases, linked as a cc_test is."""
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        linkstatic = False,
        tags = ["manual"],
        visibility = ["//visibility:private"],
        deps = deps + ["//third_party:doctest_main"],
    )
