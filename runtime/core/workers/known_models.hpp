// The catalogue of models as the queue sees it, and which of them engines could not load.
//
// A model that engines cannot load is asked for again after a pause that doubles, since its file
// may have been mended. One that certainly cannot be loaded, or could not several times in a row,
// is broken meanwhile: its jobs fail.
//
// Owner: worker_pool. Pure: time is an argument. Invariant: there is trouble only with models of
// the catalogue.
#pragma once

#include "messages/error.hpp"
#include "messages/worker.hpp"
#include "runtime/base/clock.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tayfa {

class known_models {
 public:
  struct trouble {
    std::uint32_t failures = 0; ///< in a row
    bool broken = false;
    moment again_at; ///< not asked for before
    error why;
  };

  /// False when nothing changed. Trouble with models that changed is forgotten.
  bool replace(std::vector<model_facts>);
  /// Models are distinguished only with a catalogue.
  bool empty() const { return models_.empty(); }
  const model_facts* find(const std::string& name) const;
  /// The first of the catalogue; not of an empty one.
  const std::string& default_name() const { return models_.front().name; }
  /// The catalogue has no such model.
  bool missing(const std::string& name) const {
    return !empty() && !name.empty() && find(name) == nullptr;
  }
  /// True if a job of this model may be accepted.
  result<void> may_run(const std::string& name, moment now) const;

  const trouble* trouble_with(const std::string& name) const;
  const std::map<std::string, trouble>& troubles() const { return troubles_; }
  bool is_broken(const std::string& name, moment now) const {
    const auto* t = trouble_with(name);
    return t != nullptr && t->broken && now < t->again_at;
  }
  /// An engine could not load it. The trouble that there is with it now; null: it is not known.
  const trouble* refused(moment now, const std::string& name, const error& why);
  void loaded(const std::string& name) { troubles_.erase(name); }

 private:
  std::vector<model_facts> models_;
  std::map<std::string, trouble> troubles_;
};

} // namespace tayfa
