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

auto model_loader::common() {
  return std::tuple{[this](const check_catalogue&) { check(); },
                    [this](const catalogue_inspected& m) { learned(m); },
                    [this](const model_loaded& m) { loaded(m); },
                    [this](const model_refused& m) { refused(m); },
                    [this](const actor_directory& m) { on_directory(m); },
                    present()};
}

model_loader::behavior_type model_loader::empty() {
  return state_of<behavior_type>(common(), postponed<want_model>());
}

model_loader::behavior_type model_loader::checked() {
  return state_of<behavior_type>(common(), [this](const want_model& m) { return grant(m); });
}

void model_loader::check() {
  ctx_.outside.models.inspect(
      ctx_.knobs.engine_models.items(),
      [me = caf::actor_cast<model_loader_actor>(this)](result<std::vector<model_entry>> models) {
        caf::anon_send(me, catalogue_inspected{std::move(models)});
      });
}

void model_loader::learned(const catalogue_inspected& m) {
  if (m.about) {
    looked_again(*m.about, m.models);
    return;
  }
  if (!m.models) {
    ctx_.outside.log.error("catalogue_refused",
                           {{"code", m.models.error().code}, {"text", m.models.error().text}});
    if (directory_.supervisor) {
      send(directory_.supervisor, catalogue_checked{fail(m.models.error())});
    }
    return;
  }
  models_ = *m.models;
  for (const auto& entry : models_) {
    ctx_.outside.log.info("model_found", {{"model", entry.name}, {"bytes", entry.bytes}});
  }
  become(checked());
  tell_queue();
  if (directory_.supervisor) {
    send(directory_.supervisor, catalogue_checked{models_.size()});
  }
}

void model_loader::tell_queue() {
  if (!directory_.queue) {
    return;
  }
  models_known known;
  for (const auto& entry : models_) {
    const auto version = versions_.find(entry.name);
    known.models.push_back(
        model_facts{entry.name, entry.bytes, 0, version == versions_.end() ? 0 : version->second});
  }
  send(directory_.queue, std::move(known));
}

/// What it asks for, or the first one that engines can load, as far as is known.
const model_entry& model_loader::chosen_for(const want_model& m) const {
  const auto named = std::find_if(models_.begin(), models_.end(),
                                  [&m](const model_entry& e) { return e.name == m.model; });
  if (named != models_.end()) {
    return *named;
  }
  const auto good = std::find_if(models_.begin(), models_.end(), [this](const model_entry& e) {
    return !refused_.contains(e.name);
  });
  return good == models_.end() ? models_.front() : *good;
}

caf::result<model_granted> model_loader::grant(const want_model& m) {
  if (models_.empty()) {
    return model_granted{}; // an engine that runs no model files
  }
  const auto& chosen = chosen_for(m);
  if (looked_at_.contains(chosen.name)) {
    auto later = make_response_promise<model_granted>();
    wishes_.push_back({m, later});
    return later;
  }
  return model_granted{protocol::load_model{chosen.name, chosen.path, chosen.manifest}};
}

void model_loader::refused(const model_refused& m) {
  ctx_.outside.log.error(
      "model_refused",
      {{"worker", m.worker}, {"model", m.model}, {"code", m.why.code}, {"text", m.why.text}});
  const auto entry = std::find_if(models_.begin(), models_.end(),
                                  [&m](const model_entry& e) { return e.name == m.model; });
  if (entry == models_.end()) {
    return;
  }
  if (m.why.code != errc::model_invalid) { // not the file's fault, as far as one can tell
    send(directory_.queue, m);
    return;
  }
  if (looked_at_.insert(m.model).second) {
    ctx_.outside.models.inspect({entry->path}, [m, me = caf::actor_cast<model_loader_actor>(this)](
                                                   result<std::vector<model_entry>> found) {
      caf::anon_send(me, catalogue_inspected{std::move(found), m});
    });
  }
}

void model_loader::looked_again(const model_refused& about,
                                const result<std::vector<model_entry>>& found) {
  looked_at_.erase(about.model);
  const auto entry = std::find_if(models_.begin(), models_.end(),
                                  [&about](const model_entry& e) { return e.name == about.model; });
  const bool replaced = entry != models_.end() && found && found->size() == 1 &&
                        found->front().name == about.model &&
                        found->front().manifest != entry->manifest;
  if (replaced) {
    *entry = found->front();
    ++versions_[about.model];
    refused_.erase(about.model);
    ctx_.outside.log.info("model_replaced", {{"model", entry->name}, {"bytes", entry->bytes}});
    tell_queue();
  } else {
    refused_.insert(about.model);
    send(directory_.queue,
         model_refused{about.worker, about.model, found ? about.why : found.error()});
  }
  for (auto& w : std::exchange(wishes_, {})) {
    const auto& chosen = chosen_for(w.asked);
    if (looked_at_.contains(chosen.name)) {
      wishes_.push_back(std::move(w));
    } else {
      w.later.deliver(
          model_granted{protocol::load_model{chosen.name, chosen.path, chosen.manifest}});
    }
  }
}

void model_loader::on_directory(const actor_directory& m) {
  directory_ = m;
}

void model_loader::loaded(const model_loaded& m) {
  refused_.erase(m.model);
  ctx_.outside.meters.observe(meter::load_seconds, m.load_ms / 1000.0);
  ctx_.outside.log.info("model_loaded",
                        {{"worker", m.worker}, {"model", m.model}, {"ms", m.load_ms}});
}

} // namespace tayfa
