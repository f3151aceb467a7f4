#include "runtime/config/knobs.hpp"

#include "runtime/base/text.hpp"
#include "runtime/telemetry/log.hpp"

#include <charconv>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace tayfa {
namespace {

TEST(knobs, every_row_is_sane) {
  ASSERT_GT(knobs().size(), 40U);
  std::set<std::string> names;
  for (const auto& row : knobs()) {
    SCOPED_TRACE(row.key);
    EXPECT_TRUE(names.insert(std::string{row.key}).second) << "a key twice";
    EXPECT_TRUE(names.insert(environment_name(row)).second) << "an environment name twice";
    EXPECT_EQ(row.key, std::string{row.section} + "." + std::string{row.name});
    if (!row.flag.empty()) {
      EXPECT_TRUE(row.flag.starts_with("--")) << row.flag;
      EXPECT_TRUE(names.insert(std::string{row.flag}).second) << "a flag twice";
    }
    EXPECT_GT(row.text.size(), 5U);
    EXPECT_TRUE(text::is_clean(row.text));
    EXPECT_FALSE(allowed_values(row).empty());
    EXPECT_EQ(find_knob(row.key), &row);
  }
  EXPECT_EQ(find_knob("no.such"), nullptr);
}

TEST(knobs, every_default_lies_within_its_bounds) {
  for (const auto& row : knobs()) {
    SCOPED_TRACE(row.key);
    const raw_value standard = row.read(config{});
    const bool number = row.type == knob_type::whole || row.type == knob_type::duration;
    if (number) {
      EXPECT_LE(row.minimum, row.maximum);
      EXPECT_LT(row.maximum, 9007199254740992.0) << "bounds are doubles and must be exact";
      double value = -1;
      std::from_chars(standard.text.data(), standard.text.data() + standard.text.size(), value);
      EXPECT_LE(row.minimum, value);
      EXPECT_LE(value, row.maximum);
    }
    if (row.type == knob_type::duration) {
      EXPECT_EQ(row.unit, "ms");
    }
    config c;
    EXPECT_EQ(row.assign(c, row, standard).value_or(""), "");
  }
}

TEST(knobs, a_32_bit_row_has_32_bit_bounds) {
#define TAYFA_KNOB(section, name, type, value, low, high, ...)                                     \
  if constexpr (std::is_same_v<type, std::uint32_t>) {                                             \
    EXPECT_LE(std::uint64_t{high}, std::uint64_t{4294967295}) << #section "." #name;               \
  }
#include "runtime/config/knobs.inc"
#undef TAYFA_KNOB
}

TEST(knobs, what_the_log_can_do_is_what_may_be_asked_of_it) {
  for (const auto level : find_knob("log.level")->choices) {
    EXPECT_TRUE(log_level_from(level)) << level;
  }
  std::size_t formats = 0;
  for (const auto format : find_knob("log.format")->choices) {
    EXPECT_EQ(log_format_from(format).has_value(), format != "auto") << format;
    formats += log_format_from(format) ? 1 : 0;
  }
  EXPECT_EQ(formats, 3U);
  EXPECT_EQ(find_knob("log.level")->choices.size(), 4U);
  EXPECT_FALSE(log_level_from("INFO"));
  EXPECT_FALSE(log_format_from(""));
}

TEST(knobs, names) {
  const knob& listen = *find_knob("http.listen");
  EXPECT_EQ(environment_name(listen), "TAYFA_HTTP_LISTEN");
  EXPECT_EQ(flag_name(listen), "--listen");
  EXPECT_EQ(flag_name(*find_knob("queue.max")), "--queue.max");
  EXPECT_EQ(environment_name(*find_knob("pod.stopping_budget")), "TAYFA_POD_STOPPING_BUDGET");
  EXPECT_EQ(section_names().front(), "pod");
  EXPECT_EQ(std::set<std::string_view>(section_names().begin(), section_names().end()).size(),
            section_names().size())
      << "the rows of a section stand together";
  EXPECT_EQ(knob_keys().size(), knobs().size());
}

} // namespace
} // namespace tayfa
