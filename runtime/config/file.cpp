#include "runtime/config/file.hpp"

#include "runtime/base/plain_text.hpp"
#include "runtime/base/text.hpp"
#include "runtime/config/suggest.hpp"
#include "runtime/config/values.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <toml++/toml.h>

namespace tayfa {

namespace {

std::string_view describe(toml::node_type type) {
  switch (type) {
  case toml::node_type::none: return "nothing";
  case toml::node_type::table: return "a table";
  case toml::node_type::array: return "an array";
  case toml::node_type::string: return "text";
  case toml::node_type::integer: return "a whole number";
  case toml::node_type::floating_point: return "a number with a fraction";
  case toml::node_type::boolean: return "true or false";
  case toml::node_type::date: return "a date";
  case toml::node_type::time: return "a time";
  case toml::node_type::date_time: return "a date and time";
  }
  return "something else";
}

std::string_view expected(knob_type type) {
  switch (type) {
  case knob_type::text: return "text in quotes";
  case knob_type::boolean: return "true or false";
  case knob_type::whole: return "a whole number";
  case knob_type::duration: return "a duration (\"2s\", or a number of milliseconds)";
  case knob_type::list: return "an array of texts (or one text with commas)";
  }
  return "text";
}

std::optional<raw_value> text_of(const toml::node& node) {
  const auto* const text = node.as_string();
  return text == nullptr ? std::nullopt : std::optional{raw_value{text->get(), std::nullopt}};
}

std::optional<raw_value> whole_of(const toml::node& node) {
  const auto* const number = node.as_integer();
  return number == nullptr ? std::nullopt
                           : std::optional{raw_value{std::to_string(number->get()), std::nullopt}};
}

std::optional<raw_value> list_of(const toml::node& node) {
  const auto* const array = node.as_array();
  if (array == nullptr) {
    return text_of(node);
  }
  std::vector<std::string> items;
  for (const auto& item : *array) {
    const auto* const text = item.as_string();
    if (text == nullptr) {
      return std::nullopt;
    }
    items.push_back(text->get());
  }
  return raw_value{{}, std::move(items)};
}

/// The node as a raw value of this type; empty when the file's type does not fit.
std::optional<raw_value> raw_of(knob_type type, const toml::node& node) {
  switch (type) {
  case knob_type::text: return text_of(node);
  case knob_type::boolean: {
    const auto* const flag = node.as_boolean();
    return flag == nullptr ? std::nullopt : std::optional{print_value(flag->get())};
  }
  case knob_type::whole: return whole_of(node);
  case knob_type::duration: {
    auto number = whole_of(node);
    return number ? number : text_of(node);
  }
  case knob_type::list: return list_of(node);
  }
  return std::nullopt;
}

std::string shown_path(const std::string& path) {
  return text::quoted(path);
}

/// The file's text, or an error that concerns the file as a whole.
result<std::string> read_bounded(const std::string& path) {
  std::error_code why;
  const auto status = std::filesystem::status(path, why);
  if (!std::filesystem::exists(status)) {
    return fail(errc::bad_config, why && why != std::errc::no_such_file_or_directory
                                      ? why.message()
                                      : "no such file");
  }
  // Reading a named pipe or a device might never end.
  if (!std::filesystem::is_regular_file(status)) {
    return fail(errc::bad_config, "not a regular file");
  }
  std::ifstream in{path, std::ios::binary};
  std::string content(config_file_max + 1, '\0');
  if (!in) {
    return fail(errc::bad_config, "cannot be opened");
  }
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (in.bad()) {
    return fail(errc::bad_config, "cannot be read");
  }
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > config_file_max) {
    return fail(errc::bad_config, "longer than " + std::to_string(config_file_max) + " bytes");
  }
  if (const auto foreign = text::why_not_utf8(content)) {
    return fail(errc::bad_config, *foreign);
  }
  return std::string{text::without_mark(content)};
}

class sorter {
 public:
  sorter(std::string file, file_content& out) : file_(std::move(file)), out_(out) {}

  void sort(const toml::table& root) {
    for (const auto& [name, node] : root) {
      const auto* const section = node.as_table();
      if (!is_section(name.str())) {
        complain(text::quoted(name.str(), 100) + ": no such section" + section_hint(name.str()),
                 name);
      } else if (section == nullptr) {
        complain(std::string{name.str()} + ": is " + std::string{describe(node.type())} +
                     " where a section [" + std::string{name.str()} + "] is expected",
                 name);
      } else {
        sort_section(name.str(), *section);
      }
    }
  }

 private:
  static bool is_section(std::string_view name) {
    const auto names = section_names();
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  static std::string section_hint(std::string_view name) {
    std::string hint = suggestion(name, section_names());
    if (hint.empty()) {
      for (const auto known : section_names()) {
        hint += hint.empty() ? "; there are " : ", ";
        hint += known;
      }
    }
    return hint;
  }

  void sort_section(std::string_view section, const toml::table& content) {
    for (const auto& [name, node] : content) {
      const std::string key = std::string{section} + "." + std::string{name.str()};
      const knob* const row = find_knob(key);
      if (row == nullptr) {
        complain(text::quoted(key, 100) + ": no such setting" + suggestion(key, knob_keys()), name);
        continue;
      }
      auto value = raw_of(row->type, node);
      if (!value) {
        complain(key + ": is " + std::string{describe(node.type())} + " where " +
                     std::string{expected(row->type)} + " is expected",
                 name);
        out_.refused_keys.push_back(row->key);
        continue;
      }
      out_.values.push_back({row, std::move(*value), from(name)});
    }
  }

  std::string from(const toml::key& key) const {
    return "file " + file_ + ":" + std::to_string(key.source().begin.line);
  }
  void complain(const std::string& what, const toml::key& key) {
    out_.errors.push_back(what + " (from " + from(key) + ")");
  }

  const std::string file_;
  file_content& out_;
};

} // namespace

file_content read_config_file(const std::string& path) {
  file_content out;
  const std::string file = shown_path(path);
  const auto content = read_bounded(path);
  if (!content) {
    out.errors.push_back("the configuration file " + file + ": " + content.error().text);
    return out;
  }
  try {
    sorter{file, out}.sort(toml::parse(*content));
  } catch (const toml::parse_error& why) {
    out.errors.push_back(
        "the configuration file is not TOML: " + text::visible(why.description(), 300) +
        " (from file " + file + ":" + std::to_string(why.source().begin.line) + ")");
  }
  return out;
}

} // namespace tayfa
