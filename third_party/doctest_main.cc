// doctest's implementation and main, compiled once for every test.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

namespace {

/// Whether a run had anything to do: a filter that fits no case is a mistake, not a test passed.
struct Chosen : doctest::IReporter {
  explicit Chosen(const doctest::ContextOptions& /*options*/) {}

  static inline bool none = false;

  void test_run_end(const doctest::TestRunStats& stats) override {
    none = stats.numTestCasesPassingFilters == 0;
  }
  void report_query(const doctest::QueryData& /*query*/) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData& /*test*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*test*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*assertion*/) override {}
  void log_message(const doctest::MessageData& /*message*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*test*/) override {}
};

REGISTER_LISTENER("chosen", 1, Chosen);

}  // namespace

int main(int argc, char** argv) {
  const int failed = doctest::Context(argc, argv).run();
  if (failed == 0 && Chosen::none) {
    std::fputs("no test case fits the filters\n", stderr);
    return 1;
  }
  return failed;
}
