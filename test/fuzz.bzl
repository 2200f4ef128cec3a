"""Fuzzers of the parsers that read bytes from outside."""

def fuzz_test(name, deps, hdrs = []):
    """The libFuzzer target `name` from `name.cc`, and `name_run`, the test that runs it.

    Both are only for --config=fuzz; `test/fuzz` and `test/run` find the tests by their tag.

    Args:
      name: ends with _fuzz.
      deps: what it is built from.
      hdrs: headers that it shares with a unit test.
    """
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"] + hdrs,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
    native.sh_test(
        name = name + "_run",
        size = "medium",
        srcs = ["//test:fuzz_one"],
        args = ["$(rootpath :%s)" % name],
        data = [":" + name],
        tags = [
            "fuzz",
            "manual",
        ],
    )
