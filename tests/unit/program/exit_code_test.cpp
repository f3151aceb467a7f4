// The exit codes that docs/operations.md promises.
#include "actors/supervisor.hpp"

#include <gtest/gtest.h>
#include <map>

namespace tayfa {
namespace {

TEST(exit_codes, every_error_has_one_of_the_documented_codes) {
  const std::map<errc, int> documented{
      {errc::bad_usage, 64},         {errc::bad_config, 65},
      {errc::model_invalid, 65},     {errc::unfit, 69},
      {errc::no_torch, 69},          {errc::engine_start, 69},
      {errc::state_timeout, 69},     {errc::port_in_use, 75},
      {errc::store_locked, 75},      {errc::unavailable, 75},
      {errc::internal, 70},          {errc::io_error, 70},
      {errc::restart_intensity, 70},
  };
  for (const auto& [code, exit] : documented) {
    EXPECT_EQ(exit_code_for(code), exit) << to_string(code);
  }
}

} // namespace
} // namespace tayfa
