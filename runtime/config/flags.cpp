#include "runtime/config/flags.hpp"

#include "runtime/config/knobs.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace tayfa {

namespace {

std::string type_hint(const knob& row) {
  switch (row.type) {
  case knob_type::text:
    return row.form == text_form::address || row.form == text_form::optional_address ||
                   row.form == text_form::link_address
               ? "ADDRESS"
               : "TEXT";
  case knob_type::boolean: return "";
  case knob_type::whole: return "COUNT";
  case knob_type::duration: return "TIME";
  case knob_type::list: return "TEXT ...";
  }
  return "TEXT";
}

std::string help_text(const knob& row) {
  std::string out{row.text};
  const std::string standard = row.read(config{}).text;
  const std::string unit = row.unit.empty() ? "" : " " + std::string{row.unit};
  out += " [default " + (standard.empty() ? std::string{"empty"} : standard + unit);
  if (row.type != knob_type::text && row.type != knob_type::list &&
      row.type != knob_type::boolean) {
    out += "; " + allowed_values(row);
  }
  return out + "; " + environment_name(row) + "]";
}

} // namespace

void add_config_flags(CLI::App& app, std::vector<std::pair<std::string, std::string>>& flags,
                      std::string& file) {
  app.add_option("--config", file, "configuration file (TOML)")->type_name("FILE");
  for (const auto& row : knobs()) {
    const std::string names =
        (row.flag.empty() ? "" : std::string{row.flag} + ",") + "--" + std::string{row.key};
    const auto keep = [&flags, key = std::string{row.key}](const CLI::results_t& values) {
      for (const auto& value : values) {
        flags.emplace_back(key, value);
      }
      return true;
    };
    CLI::Option* const option = app.add_option(names, keep, help_text(row));
    // load_config reports a repeated flag, together with all other errors.
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->group(std::string{row.section});
    option->type_name(type_hint(row));
    if (row.type == knob_type::boolean) {
      option->expected(0); // --x is true, --x=false is not
    }
  }
}

} // namespace tayfa
