// RapidCheck inside GoogleTest: EXPECT_TRUE(property(runs, [](…generated arguments…) {
// RC_ASSERT(…); })).
//
// Each run of the program draws another seed; a failure prints it, with the smallest
// counterexample. The same seed again: RC_PARAMS="seed=…" in the environment.
#pragma once

#include <rapidcheck.h>
#include <sstream>
#include <utility>

#include <gtest/gtest.h>

namespace tayfa::testing {

template <class Testable>
::testing::AssertionResult property(int runs, Testable&& testable) {
  auto params = rc::detail::configuration().testParams;
  params.maxSuccess = runs;
  const rc::detail::TestMetadata metadata;
  const auto result = rc::detail::checkTestable(std::forward<Testable>(testable), metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) {
    return ::testing::AssertionSuccess();
  }
  std::ostringstream words;
  rc::detail::printResultMessage(result, words);
  return ::testing::AssertionFailure()
         << words.str() << "\nRC_PARAMS=\"seed=" << params.seed << '"';
}

} // namespace tayfa::testing
