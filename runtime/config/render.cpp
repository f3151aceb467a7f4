#include "runtime/config/render.hpp"

#include "runtime/base/json_string.hpp"
#include "runtime/base/table.hpp"
#include "runtime/base/text.hpp"
#include "runtime/config/knobs.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace tayfa {

namespace {

boost::json::value to_json(const knob& row, const config& c) {
  const raw_value raw = row.read(c);
  const std::string& s = raw.text;
  switch (row.type) {
  case knob_type::text: return boost::json::value(s);
  case knob_type::boolean: return boost::json::value(s == "true");
  case knob_type::whole:
  case knob_type::duration: {
    std::uint64_t number = 0;
    std::from_chars(s.data(), s.data() + s.size(), number);
    return boost::json::value(number);
  }
  case knob_type::list: {
    boost::json::array items;
    for (const auto& item : raw.items.value_or(std::vector<std::string>{})) {
      items.emplace_back(item);
    }
    return items;
  }
  }
  return {};
}

std::string as_json_text(const loaded_config& loaded) {
  boost::json::array rows;
  for (const auto& origin : loaded.origins) {
    const knob* const row = find_knob(origin.key);
    boost::json::object object;
    object["key"] = origin.key;
    object["value"] =
        row == nullptr ? boost::json::value(origin.value) : to_json(*row, loaded.values);
    object["unit"] = origin.unit;
    object["from"] = origin.from;
    object["text"] = origin.text;
    rows.push_back(std::move(object));
  }
  // A line per row keeps the diff of two configurations readable.
  std::string out = "[";
  std::string_view separator = "\n";
  for (const auto& row : rows) {
    out += separator;
    out += boost::json::serialize(row);
    separator = ",\n";
  }
  return out + "\n]\n";
}

/// TOML's basic strings take the escapes of JSON for everything that is escaped here.
std::string toml_text(const std::string& s) {
  std::string out;
  text::append_json_string(out, s, text::json_escapes::dangerous);
  return out;
}

std::string toml_value(const knob& row, const config& c) {
  const raw_value raw = row.read(c);
  switch (row.type) {
  case knob_type::text: return toml_text(raw.text);
  case knob_type::boolean:
  case knob_type::whole:
  case knob_type::duration: return raw.text;
  case knob_type::list: {
    std::string out = "[";
    for (const auto& item : raw.items.value_or(std::vector<std::string>{})) {
      out += (out.size() == 1 ? "" : ", ") + toml_text(item);
    }
    return out + "]";
  }
  }
  return raw.text;
}

std::string toml_comment(const knob& row) {
  std::string out = "# " + std::string{row.text} + "\n# " + allowed_values(row) + "; " +
                    flag_name(row) + "; " + environment_name(row) + "\n";
  return out;
}

} // namespace

std::string render_config(const loaded_config& loaded, bool as_json) {
  if (as_json) {
    return as_json_text(loaded);
  }
  std::vector<std::vector<std::string>> rows = {{"KEY", "VALUE", "UNIT", "FROM", "TEXT"}};
  for (const auto& origin : loaded.origins) {
    const std::string value = origin.value.empty() ? "-" : text::visible(origin.value);
    rows.push_back({origin.key, value, origin.unit.empty() ? "-" : origin.unit,
                    text::visible(origin.from), origin.text});
  }
  return text::table(rows);
}

std::string render_toml(const config& c) {
  std::string out =
      "# Configuration of Tayfa. A flag overrides the environment, and that overrides "
      "this file.\n"
      "# Durations: \"1500ms\", \"2s\", \"10m\", \"1h\", or a number of "
      "milliseconds.\n";
  std::string_view section;
  for (const auto& row : knobs()) {
    if (row.section != section) {
      section = row.section;
      out += "\n[" + std::string{section} + "]\n";
    }
    out += toml_comment(row) + std::string{row.name} + " = " + toml_value(row, c) + "\n";
  }
  return out;
}

} // namespace tayfa
