#include "runtime/base/text.hpp"
#include "runtime/base/variables.hpp"
#include "runtime/config/config.hpp"
#include "runtime/config/file.hpp"
#include "runtime/config/foreign_variables.hpp"
#include "runtime/config/knobs.hpp"
#include "runtime/config/relations.hpp"
#include "runtime/config/suggest.hpp"

#include <algorithm>
#include <set>

namespace tayfa {

namespace {

/// More errors are counted, not printed: a file may hold a hundred thousand unknown keys.
constexpr std::size_t errors_max = 200;

/// Whether a name that begins with TAYFA_ is read elsewhere: by set-up, or by engines.
bool is_foreign(std::string_view name) {
  return name == "TAYFA_DEPS" || is_engine_variable(name) || has_engine_prefix(name);
}

/// Former names of settings; the current name wins.
struct former_name {
  std::string_view name;
  std::string_view key;
};
constexpr former_name former_names[] = {{"TAYFA_TORCH_THREADS", "engine.threads"}};

class merger {
 public:
  merger() : origins_(knobs().size(), "default") {}

  void merge_file(const std::string& path) {
    if (path.empty()) {
      return;
    }
    auto content = read_config_file(path);
    for (auto& line : content.errors) {
      complain(std::move(line));
    }
    broken_.insert(content.refused_keys.begin(), content.refused_keys.end());
    for (const auto& v : content.values) {
      assign(*v.row, v.value, v.from);
    }
  }

  void merge_former_names(const std::vector<std::string>& environment);
  void merge_environment(const std::vector<std::string>& environment);
  void merge_flags(const std::vector<std::pair<std::string, std::string>>& flags);
  void merge_assumed(const std::vector<foreign_value>&);
  void merge_firm(const config_sources&);
  void check_relations();
  result<loaded_config> finish();

 private:
  void assign(const knob& row, const raw_value& value, const std::string& from) {
    if (const auto why = row.assign(values_, row, value)) {
      complain(std::string{row.key} + ": " + *why + " (from " + from + ")");
      broken_.insert(row.key);
      return;
    }
    origin(row.key) = from;
  }

  std::string& origin(std::string_view key) {
    return origins_[static_cast<std::size_t>(find_knob(key) - knobs().data())];
  }

  void complain(std::string line) { errors_.push_back(std::move(line)); }

  config values_;
  std::vector<std::string> origins_;
  std::vector<std::string> errors_;
  std::set<std::string_view> broken_; ///< rows with a refused value: relations with them are not
                                      ///< checked
};

bool begins_with_section(std::string_view name) {
  return std::any_of(knobs().begin(), knobs().end(), [name](const knob& row) {
    const std::string full = environment_name(row);
    return name.starts_with(std::string_view{full}.substr(0, full.size() - row.name.size()));
  });
}

void merger::merge_former_names(const std::vector<std::string>& environment) {
  for (const auto& [name, key] : former_names) {
    for (const std::string_view entry : environment) {
      if (const auto value = value_in(entry, name); value && !value->empty()) {
        assign(*find_knob(key), {std::string{*value}, std::nullopt}, "env " + std::string{name});
        break; // of two entries with one name the first counts, as it does for getenv
      }
    }
  }
}

void merger::merge_environment(const std::vector<std::string>& environment) {
  std::vector<std::string> names;
  for (const auto& row : knobs()) {
    names.push_back(environment_name(row));
  }
  const std::vector<std::string_view> views{names.begin(), names.end()};
  merge_former_names(environment);
  std::set<std::string_view> seen;
  for (const std::string_view entry : environment) {
    const std::size_t equals = entry.find('=');
    const std::string_view name = entry.substr(0, equals);
    const auto former = [name](const former_name& f) { return f.name == name; };
    const bool ours = name.starts_with("TAYFA_") && equals != std::string_view::npos &&
                      !is_foreign(name) &&
                      std::none_of(std::begin(former_names), std::end(former_names), former) &&
                      !is_written_by_platform(name, entry.substr(equals + 1), environment);
    // The first of two entries with one name counts, as for getenv.
    if (!ours || !seen.insert(name).second) {
      continue;
    }
    const auto known = std::find(views.begin(), views.end(), name);
    if (known != views.end()) {
      assign(knobs()[static_cast<std::size_t>(known - views.begin())],
             {std::string{entry.substr(equals + 1)}, std::nullopt}, "env " + std::string{name});
      continue;
    }
    // A name outside our sections may belong to another program, unless it resembles one of ours.
    const std::string_view near = nearest(name, views);
    if (begins_with_section(name) || (!near.empty() && edit_distance(name, near) <= 2)) {
      complain(text::quoted(name, 100) + ": no such setting" + suggestion(name, views) +
               " (from env " + text::quoted(name, 100) + ")");
    }
  }
}

void merger::merge_flags(const std::vector<std::pair<std::string, std::string>>& flags) {
  std::set<std::string_view> seen;
  for (const auto& [key, value] : flags) {
    const knob* const row = find_knob(key);
    if (row == nullptr) {
      complain(text::quoted(key, 100) + ": no such setting" + suggestion(key, knob_keys()) +
               " (from flag --" + text::quoted(key, 100) + ")");
      continue;
    }
    if (!seen.insert(row->key).second) {
      continue;
    }
    const auto same = [&key = key](const auto& flag) { return flag.first == key; };
    raw_value all{value, std::nullopt};
    if (row->type == knob_type::list) {
      all.items.emplace();
      for (const auto& [other, text] : flags) {
        if (other == key) {
          const auto items = string_list{text}.items();
          all.items->insert(all.items->end(), items.begin(), items.end());
        }
      }
    } else if (std::count_if(flags.begin(), flags.end(), same) > 1) {
      complain(key + ": given more than once (from flag " + flag_name(*row) + ")");
      broken_.insert(row->key);
      continue;
    }
    assign(*row, all, "flag " + flag_name(*row));
  }
}

void merger::merge_assumed(const std::vector<foreign_value>& values) {
  for (const auto& v : values) {
    if (const knob* const row = find_knob(v.key)) {
      assign(*row, {v.text, std::nullopt}, v.from);
    }
  }
}

void merger::merge_firm(const config_sources& sources) {
  for (const auto& v : sources.firm) {
    const knob* const row = find_knob(v.key);
    if (row == nullptr) {
      continue;
    }
    const bool twice = std::any_of(sources.flags.begin(), sources.flags.end(),
                                   [&v](const auto& flag) { return flag.first == v.key; });
    if (twice) {
      complain(v.key + ": given more than once (from flag " + flag_name(*row) + " and " + v.from +
               ")");
      broken_.insert(row->key);
      continue;
    }
    assign(*row, {v.text, std::nullopt}, v.from);
  }
}

void merger::check_relations() {
  for (const auto& r : relations()) {
    const bool judged = std::none_of(r.keys.begin(), r.keys.end(), [this](std::string_view key) {
      return broken_.contains(key);
    });
    if (judged && !r.holds(values_)) {
      complain(describe_broken(r, values_, [this](std::string_view key) { return origin(key); }));
    }
  }
}

result<loaded_config> merger::finish() {
  if (!errors_.empty()) {
    std::string text;
    for (std::size_t i = 0; i < std::min(errors_.size(), errors_max); ++i) {
      text += (i == 0 ? "" : "\n") + errors_[i];
    }
    if (errors_.size() > errors_max) {
      text += "\nand " + std::to_string(errors_.size() - errors_max) + " more";
    }
    return fail(errc::bad_config, std::move(text));
  }
  loaded_config out;
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    const knob& row = knobs()[i];
    out.origins.push_back({std::string{row.key}, row.read(values_).text, std::string{row.unit},
                           origins_[i], std::string{row.text}});
  }
  out.values = std::move(values_);
  return out;
}

} // namespace

std::string_view origin_of(const loaded_config& loaded, std::string_view key) {
  const auto row = std::find_if(loaded.origins.begin(), loaded.origins.end(),
                                [key](const config_origin& o) { return o.key == key; });
  return row == loaded.origins.end() ? "default" : std::string_view{row->from};
}

result<loaded_config> load_config(const config_sources& sources) {
  merger m;
  m.merge_assumed(sources.assumed);
  m.merge_file(sources.file);
  m.merge_environment(sources.environment);
  m.merge_flags(sources.flags);
  m.merge_firm(sources);
  m.check_relations();
  return m.finish();
}

} // namespace tayfa
