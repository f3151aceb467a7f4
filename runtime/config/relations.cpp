#include "runtime/config/relations.hpp"

#include "runtime/base/text.hpp"
#include "runtime/config/address.hpp"
#include "runtime/config/knobs.hpp"
#include "runtime/config/slot_kinds.hpp"

#include <algorithm>
#include <set>

namespace tayfa {

namespace {

/// True when the two listeners differ; port 0 picks another free port each time.
bool listens_on_two(const config& c) {
  const auto main = parse_listen_address(c.http_listen);
  const auto health = parse_listen_address(c.http_health_listen);
  return !main || !health || *main != *health || main->port == 0;
}

bool waits_out_a_lease(const config& c) {
  return c.store_kind != "postgres" || c.store_lease < c.pod_starting_budget;
}
bool has_its_database(const config& c) {
  return c.store_kind != "postgres" || !c.store_url.empty();
}

/// "torch", or "a, b or c".
std::string kinds_that_run_models() {
  std::vector<std::string_view> names;
  for (const auto& kind : engine_kinds) {
    if (kind.runs_models()) {
      names.push_back(kind.name);
    }
  }
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

std::vector<slot_kind> slot_kinds_of(const config& c) {
  std::vector<slot_kind> out;
  for (const auto& item : c.engine_slot_kinds.items()) {
    if (auto parsed = parse_slot_kind(item)) {
      out.push_back(std::move(*parsed));
    }
  }
  return out;
}

bool finds_silence_in_time(const config& c) {
  return c.link_beat * c.link_misses < c.link_lost_after;
}

} // namespace

std::span<const relation> relations() {
  const auto that_needs_a_model =
      kinds_that_run_models() + " needs a file in engine.models, unless engine.slots is 0";
  static const std::string needs_a_model = "engine.kind " + that_needs_a_model;
  static const std::string slot_kind_needs_a_model = "engine.slot_kinds " + that_needs_a_model;
  static const std::vector<relation> table = {
      {"link.beat times link.misses must be below link.lost_after",
       {"link.beat", "link.misses", "link.lost_after"},
       finds_silence_in_time},
      {"engine.heartbeat times engine.heartbeat_misses must be below engine.load_timeout",
       {"engine.heartbeat", "engine.heartbeat_misses", "engine.load_timeout"},
       [](const config& c) {
         return c.engine_heartbeat * c.engine_heartbeat_misses < c.engine_load_timeout;
       }},
      {"engine.backoff_base must not be above engine.backoff_max",
       {"engine.backoff_base", "engine.backoff_max"},
       [](const config& c) { return c.engine_backoff_base <= c.engine_backoff_max; }},
      {"pod.drain_budget must be below pod.stopping_budget",
       {"pod.drain_budget", "pod.stopping_budget"},
       [](const config& c) { return c.pod_drain_budget < c.pod_stopping_budget; }},
      {"engine.hello_timeout must be below pod.launching_budget",
       {"engine.hello_timeout", "pod.launching_budget"},
       [](const config& c) { return c.engine_hello_timeout < c.pod_launching_budget; }},
      {"engine.load_timeout must be below pod.launching_budget",
       {"engine.load_timeout", "pod.launching_budget"},
       [](const config& c) { return c.engine_load_timeout < c.pod_launching_budget; }},
      {"engine.check_budget must be below pod.configuring_budget",
       {"engine.check_budget", "pod.configuring_budget"},
       [](const config& c) { return c.engine_check_budget < c.pod_configuring_budget; }},
      {needs_a_model,
       {"engine.kind", "engine.models", "engine.slots"},
       [](const config& c) {
         const auto* const kind = find_engine(c.engine_kind); // auto takes one that fits
         return kind == nullptr || !kind->runs_models() || !c.engine_models.empty() ||
                c.engine_slots == 0;
       }},
      {slot_kind_needs_a_model,
       {"engine.slot_kinds", "engine.models", "engine.slots"},
       [](const config& c) {
         const auto runs_models = [](const slot_kind& one) {
           const auto* const kind = find_engine(one.kind);
           return kind != nullptr && kind->runs_models();
         };
         const auto named = slot_kinds_of(c);
         return !c.engine_models.empty() || c.engine_slots == 0 ||
                std::none_of(named.begin(), named.end(), runs_models);
       }},
      {"engine.slot_kinds must not name a slot twice",
       {"engine.slot_kinds"},
       [](const config& c) {
         std::set<std::uint32_t> seen;
         for (const auto& one : slot_kinds_of(c)) {
           for (auto slot = one.first; slot <= one.last; ++slot) {
             if (!seen.insert(slot).second) {
               return false;
             }
           }
         }
         return true;
       }},
      {"store.kind postgres needs store.url", {"store.kind", "store.url"}, has_its_database},
      {"store.lease must be below pod.starting_budget when store.kind is postgres",
       {"store.lease", "pod.starting_budget", "store.kind"},
       waits_out_a_lease},
      {"http.health_listen must be another address than http.listen, or empty",
       {"http.health_listen", "http.listen"},
       listens_on_two},
  };
  return table;
}

std::string describe_broken(const relation& r, const config& c,
                            const std::function<std::string(std::string_view)>& from) {
  std::string out{r.rule};
  std::string_view separator = "; here ";
  for (const auto key : r.keys) {
    const knob* const row = find_knob(key);
    if (row == nullptr) {
      continue;
    }
    out += separator;
    out += key;
    out += " = " + text::quoted(row->read(c).text);
    out += row->unit.empty() ? "" : " " + std::string{row->unit};
    out += from ? " (from " + from(key) + ")" : "";
    separator = ", ";
  }
  return out;
}

} // namespace tayfa
