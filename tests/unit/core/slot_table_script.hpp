// A slot table under test: each call returns its actions as text, "start 0; share 2".
#pragma once

#include "runtime/core/slot_table.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa {

inline std::string text_of(const slot_actions& actions) {
  struct {
    std::string operator()(const start_slot& a) { return "start " + std::to_string(a.slot); }
    std::string operator()(const start_slot_again& a) { return "again " + std::to_string(a.slot); }
    std::string operator()(const stop_slot& a) { return "stop " + std::to_string(a.slot); }
    std::string operator()(const drain_engine& a) {
      return (a.on ? "drain " : "undrain ") + to_string(a.worker);
    }
    std::string operator()(const slot_ended& a) {
      return (a.removed ? "removed " : "drained ") + std::to_string(a.slot);
    }
    std::string operator()(const share_cpus& a) { return "share " + std::to_string(a.slots); }
  } text;
  std::string out;
  for (const auto& action : actions) {
    out += (out.empty() ? "" : "; ") + std::visit(text, action);
  }
  return out;
}

struct slot_script {
  explicit slot_script(std::uint32_t slots = 2, slot_engines engines = {"scripted"})
      : table{std::move(engines)} {
    for (const auto& action : table.launch(slots)) {
      if (const auto* start = std::get_if<start_slot>(&action)) {
        table.begin_life(start->slot);
      }
    }
  }

  worker_ref worker(std::uint32_t slot) const {
    worker_ref out{slot_id{slot}, 0};
    while (!table.is_present(out)) {
      ++out.incarnation;
    }
    return out;
  }
  std::string moves(std::uint32_t slot, engine_state to, cause why = cause::start_requested,
                    error reason = {}) {
    return text_of(table.engine({worker(slot), to, why, std::move(reason)}));
  }
  std::string ready(std::uint32_t slot) { return moves(slot, engine_state::READY); }
  std::string drain(std::uint32_t slot) { return text_of(*table.drain(slot_id{slot}, true)); }
  std::string undrain(std::uint32_t slot) { return text_of(*table.drain(slot_id{slot}, false)); }
  std::string resize(std::uint32_t count) { return text_of(*table.resize(count)); }
  std::string drained(std::uint32_t slot) { return text_of(table.drained({worker(slot)})); }
  std::string dies(std::uint32_t slot) { return text_of(table.worker_down(slot)); }
  std::string stopped(std::uint32_t slot) { return text_of(table.stopped(slot)); }
  std::string again(std::uint32_t slot) { return text_of(table.again(slot)); }
  slot_summary summary(std::uint32_t slot) const {
    for (const auto& each : table.summaries()) {
      if (each.slot.value == slot) {
        return each;
      }
    }
    ADD_FAILURE() << "slot " << slot << " is not shown";
    return {};
  }

  slot_table table;
};

} // namespace tayfa
