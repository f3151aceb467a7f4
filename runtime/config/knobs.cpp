#include "runtime/config/knobs.hpp"

#include "runtime/config/values.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <type_traits>

namespace tayfa {

namespace {

constexpr std::string_view unfit_answers[] = {"stop", "go_on"};
constexpr std::string_view pin_answers[] = {"auto", "off", "on"};
constexpr std::string_view store_kinds[] = {"sqlite", "postgres", "memory"};
constexpr std::string_view log_levels[] = {"debug", "info", "warn", "error"};
constexpr std::string_view log_formats[] = {"auto", "text", "json", "runpod"};

struct text_rule {
  std::string_view key;
  text_form form;
  std::span<const std::string_view> choices = {};
};

/// The rule of each row that is text or a list of texts.
constexpr text_rule text_rules[] = {
    {"pod.data", text_form::required_path},
    {"http.listen", text_form::address},
    {"http.health_listen", text_form::optional_address},
    {"http.health_path", text_form::url_path},
    {"http.keys_file", text_form::path},
    {"http.rate_limits", text_form::rate},
    {"http.endpoints", text_form::name},
    {"http.hosts", text_form::host},
    {"webhook.allow_private", text_form::network},
    {"engine.kind", text_form::choice, engine_choices},
    {"engine.slot_kinds", text_form::slot_kind},
    {"engine.models", text_form::path},
    {"engine.program", text_form::path},
    {"engine.temporary", text_form::path},
    {"engine.environment", text_form::variable},
    {"engine.on_unfit", text_form::choice, unfit_answers},
    {"engine.pin", text_form::choice, pin_answers},
    {"queue.tenants", text_form::share},
    {"store.kind", text_form::choice, store_kinds},
    {"link.listen", text_form::link_address},
    {"store.url", text_form::database},
    {"store.head", text_form::name},
    {"log.level", text_form::choice, log_levels},
    {"log.format", text_form::choice, log_formats},
    {"log.file", text_form::path},
};

constexpr const text_rule* find_rule(std::string_view key) {
  for (const auto& rule : text_rules) {
    if (rule.key == key) {
      return &rule;
    }
  }
  return nullptr;
}

template <class T>
constexpr knob_type type_of() {
  if constexpr (std::is_same_v<T, std::string>) {
    return knob_type::text;
  } else if constexpr (std::is_same_v<T, bool>) {
    return knob_type::boolean;
  } else if constexpr (std::is_same_v<T, std::uint32_t> || std::is_same_v<T, std::uint64_t>) {
    return knob_type::whole;
  } else if constexpr (std::is_same_v<T, milliseconds>) {
    return knob_type::duration;
  } else {
    static_assert(std::is_same_v<T, string_list>, "a type that knobs.inc does not name");
    return knob_type::list;
  }
}

template <auto Member, text_form Form>
raw_value read_member(const config& c) {
  if constexpr (Form == text_form::database) {
    return {hide_password(c.*Member), {}};
  } else {
    return print_value(c.*Member);
  }
}

template <auto Member>
std::optional<std::string> assign_member(config& c, const knob& row, const raw_value& raw) {
  return parse_value(row, raw, c.*Member);
}

constexpr bool is_text(knob_type type) {
  return type == knob_type::text || type == knob_type::list;
}

constexpr text_form form_of(std::string_view key) {
  const text_rule* const rule = find_rule(key);
  return rule == nullptr ? text_form::unused : rule->form;
}

constexpr std::span<const std::string_view> choices_of(std::string_view key) {
  const text_rule* const rule = find_rule(key);
  return rule == nullptr ? std::span<const std::string_view>{} : rule->choices;
}

constexpr knob table[] = {
#define TAYFA_KNOB(section, name, type, value, minimum, maximum, unit, flag, text)                 \
  {#section,                                                                                       \
   #name,                                                                                          \
   #section "." #name,                                                                             \
   type_of<type>(),                                                                                \
   minimum,                                                                                        \
   maximum,                                                                                        \
   unit,                                                                                           \
   flag,                                                                                           \
   text,                                                                                           \
   form_of(#section "." #name),                                                                    \
   choices_of(#section "." #name),                                                                 \
   &read_member<&config::section##_##name, form_of(#section "." #name)>,                           \
   &assign_member<&config::section##_##name>},
#include "runtime/config/knobs.inc"
#undef TAYFA_KNOB
};

/// Text rows have exactly one rule, other rows none, and no rule is left over.
constexpr bool rules_fit() {
  std::size_t used = 0;
  for (const auto& row : table) {
    const bool ruled = row.form != text_form::unused;
    if (ruled != is_text(row.type)) {
      return false;
    }
    used += ruled ? 1 : 0;
  }
  return used == std::size(text_rules);
}
static_assert(rules_fit(), "every text row of knobs.inc needs one row in text_rules");

constexpr std::array<std::string_view, std::size(table)> keys = [] {
  std::array<std::string_view, std::size(table)> out{};
  std::transform(std::begin(table), std::end(table), out.begin(),
                 [](const knob& row) { return row.key; });
  return out;
}();

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const auto word : words) {
    out += out.empty() ? "" : ", ";
    out += word;
  }
  return out;
}

} // namespace

std::span<const knob> knobs() {
  return table;
}

const knob* find_knob(std::string_view key) {
  const auto row = std::find_if(std::begin(table), std::end(table),
                                [key](const knob& k) { return k.key == key; });
  return row == std::end(table) ? nullptr : row;
}

std::string environment_name(const knob& row) {
  std::string out = "TAYFA_" + std::string{row.section} + "_" + std::string{row.name};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string flag_name(const knob& row) {
  return row.flag.empty() ? "--" + std::string{row.key} : std::string{row.flag};
}

std::string allowed_values(const knob& row) {
  switch (row.type) {
  case knob_type::boolean: return "true or false";
  case knob_type::whole:
  case knob_type::duration: {
    const std::string unit = row.unit.empty() ? "" : " " + std::string{row.unit};
    return number_text(row.minimum) + " to " + number_text(row.maximum) + unit;
  }
  case knob_type::text:
  case knob_type::list: break;
  }
  switch (row.form) {
  case text_form::choice: return "one of " + joined(row.choices);
  case text_form::address: return "host:port or [v6]:port, port 0 to 65535";
  case text_form::optional_address: return "host:port or [v6]:port, port 0 to 65535; or empty";
  case text_form::link_address: return "tcp://ADDRESS:PORT or ADDRESS:PORT; or empty";
  case text_form::url_path:
    return "a path such as /ping: names of A-Z a-z 0-9 . _ -, each after a slash, 256 characters "
           "at most";
  case text_form::path: return row.type == knob_type::list ? "paths" : "a path, or empty";
  case text_form::required_path: return "a path";
  case text_form::name:
    return row.type == knob_type::list
               ? "names of 1 to 64 characters A-Z a-z 0-9 . _ -, one or more"
               : "a name of 1 to 64 characters A-Z a-z 0-9 . _ -";
  case text_form::database: return "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or empty";
  case text_form::variable: return "NAME, PREFIX* or NAME=VALUE";
  case text_form::host: return "names of hosts such as gpu.example, without port";
  case text_form::slot_kind: return "SLOT=KIND or FIRST-LAST=KIND, KIND one of " + engine_names();
  case text_form::share: return "name=weight or name=weight:jobs, weight from 0.001 to 1000";
  case text_form::rate:
    return "off, runpod, or route=requests/period:at once: 1 to 1000000 requests, 100ms to 1h";
  case text_form::network: return "addresses and blocks such as 10.0.0.0/8 or fd00::/8";
  case text_form::unused: break;
  }
  return "text";
}

std::string_view to_string(knob_type type) {
  switch (type) {
  case knob_type::text: return "text";
  case knob_type::boolean: return "true or false";
  case knob_type::whole: return "whole number";
  case knob_type::duration: return "duration";
  case knob_type::list: return "list";
  }
  return "text";
}

std::span<const std::string_view> section_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const auto& row : table) {
      if (std::find(out.begin(), out.end(), row.section) == out.end()) {
        out.push_back(row.section);
      }
    }
    return out;
  }();
  return names;
}

std::span<const std::string_view> knob_keys() {
  return keys;
}

} // namespace tayfa
