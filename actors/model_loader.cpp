#include "actors/model_loader.hpp"

#include <algorithm>

namespace tayfa {

model_loader::model_loader(caf::actor_config& cfg, pod_context ctx)
    : model_loader_actor::base(cfg), ctx_(ctx) {
  guard(this, ctx_.outside.log);
}

model_loader::behavior_type model_loader::make_behavior() {
  return empty();
}

model_loader::behavior_type model_loader::empty() {
  return {[this](const check_catalogue&) { check(); },
          [this](const catalogue_news& m) { learned(m); },
          postpone_request<want_model, model_granted>(),
          [this](const model_loaded& m) { loaded(m); },
          [this](const crew& m) { met(m); },
          present()};
}

model_loader::behavior_type model_loader::checked() {
  return {[this](const check_catalogue&) { check(); },
          [this](const catalogue_news& m) { learned(m); },
          [this](const want_model& m) { return grant(m); },
          [this](const model_loaded& m) { loaded(m); },
          [this](const crew& m) { met(m); },
          present()};
}

void model_loader::check() {
  ctx_.outside.models.inspect(
      ctx_.knobs.engine_models.items(),
      [me = caf::actor_cast<model_loader_actor>(this)](result<std::vector<model_entry>> models) {
        caf::anon_send(me, catalogue_news{std::move(models)});
      });
}

void model_loader::learned(const catalogue_news& m) {
  if (!m.models) {
    ctx_.outside.log.error("catalogue_refused",
                           {{"code", m.models.error().code}, {"text", m.models.error().text}});
    if (crew_.supervisor) {
      send(crew_.supervisor, catalogue_checked{fail(m.models.error())});
    }
    return;
  }
  models_ = *m.models;
  for (const auto& entry : models_) {
    ctx_.outside.log.info("model_found", {{"model", entry.name}, {"bytes", entry.bytes}});
  }
  become(checked());
  if (crew_.queue) {
    models_known known;
    for (const auto& entry : models_) {
      known.models.push_back(model_facts{entry.name, entry.bytes, 0});
    }
    send(crew_.queue, std::move(known));
  }
  if (crew_.supervisor) {
    send(crew_.supervisor, catalogue_checked{models_.size()});
  }
}

model_granted model_loader::grant(const want_model& m) const {
  if (models_.empty()) {
    return {}; // an engine without files (scripted)
  }
  const auto found = std::find_if(models_.begin(), models_.end(),
                                  [&m](const model_entry& e) { return e.name == m.model; });
  const auto& chosen = found == models_.end() ? models_.front() : *found;
  return {protocol::load_model{chosen.name, chosen.path, chosen.manifest}};
}

void model_loader::met(const crew& m) {
  crew_ = m;
}

void model_loader::loaded(const model_loaded& m) {
  ctx_.outside.meters.observe(meter::load_seconds, m.load_ms / 1000.0);
  ctx_.outside.log.info("model_loaded",
                        {{"worker", m.worker}, {"model", m.model}, {"ms", m.load_ms}});
}

} // namespace tayfa
