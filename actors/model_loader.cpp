#include "actors/model_loader.hpp"

#include <algorithm>

namespace tayfa {

namespace {

bool runs(const engine_kind& engine, const model_entry& entry) {
  const auto kinds = engine.entry_kinds();
  return entry.kind.empty() || std::find(kinds.begin(), kinds.end(), entry.kind) != kinds.end();
}

model_granted granted(const model_entry& entry) {
  return {protocol::load_model{entry.name, entry.path, entry.manifest}};
}

} // namespace

model_loader::model_loader(caf::actor_config& cfg, pod_context ctx, const slot_engines& engines)
    : model_loader_actor::base(cfg), ctx_(ctx), kinds_(engines.kinds()) {
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
  auto models = m.models;
  if (auto completed = models ? complete(*models) : result<void>{}; !completed) {
    models = fail(completed.error());
  }
  if (!models) {
    ctx_.outside.log.error("catalogue_refused",
                           {{"code", models.error().code}, {"text", models.error().text}});
    if (directory_.supervisor) {
      send(directory_.supervisor, catalogue_checked{fail(models.error())});
    }
    return;
  }
  models_ = std::move(*models);
  for (const auto& entry : models_) {
    ctx_.outside.log.info("model_found", {{"model", entry.name}, {"bytes", entry.bytes}});
  }
  become(checked());
  notify_queue();
  if (directory_.supervisor) {
    send(directory_.supervisor, catalogue_checked{models_.size()});
  }
}

/// Each kind of engine in the pod needs a model, or an entry, that it runs.
result<void> model_loader::complete(std::vector<model_entry>& models) const {
  if (kinds_.size() < 2 || ctx_.knobs.engine_slots == 0) {
    return {};
  }
  const auto files = models.size();
  for (const auto& kind : kinds_) {
    const std::string name{kind.name};
    const auto begin = models.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(files);
    if (!kind.runs_models() &&
        std::any_of(begin, end, [&](const model_entry& e) { return e.name == name; })) {
      return fail(errc::model_invalid,
                  name +
                      ": a model may not have the name of a kind of engines that serves beside it");
    }
    if (!kind.runs_models()) {
      models.push_back(model_entry{name, {}, {}, 0, name});
    } else if (std::none_of(begin, end, [&](const model_entry& e) { return runs(kind, e); })) {
      return fail(errc::model_invalid, "no file in engine.models is for the " + name +
                                           " engine, which runs " + model_kind_names(kind));
    }
  }
  return {};
}

void model_loader::notify_queue() {
  if (!directory_.dispatcher) {
    return;
  }
  models_known known;
  for (const auto& entry : models_) {
    const auto version = versions_.find(entry.name);
    known.models.push_back(model_facts{
        entry.name, entry.bytes, 0, version == versions_.end() ? 0 : version->second, entry.kind});
  }
  send(directory_.dispatcher, std::move(known));
}

/// The requested model, or the first one that engines can load, as far as is known. Null: there is
/// none for engines of this kind.
const model_entry* model_loader::chosen_for(const want_model& m) const {
  const auto* const kind = find_engine(m.engine);
  const model_entry* usual = nullptr;
  const model_entry* good = nullptr;
  for (const auto& entry : models_) {
    if (kind != nullptr && !runs(*kind, entry)) {
      continue;
    }
    if (entry.name == m.model) {
      return &entry;
    }
    usual = usual == nullptr ? &entry : usual;
    good = good == nullptr && !refused_.contains(entry.name) ? &entry : good;
  }
  return good == nullptr ? usual : good;
}

caf::result<model_granted> model_loader::grant(const want_model& m) {
  const auto* const chosen = chosen_for(m);
  if (chosen == nullptr) {
    return model_granted{}; // an engine that runs no model files
  }
  if (looked_at_.contains(chosen->name)) {
    auto later = make_response_promise<model_granted>();
    wishes_.push_back({m, later});
    return later;
  }
  return granted(*chosen);
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
  // The file is probably not at fault, or there is no file.
  if (m.why.code != errc::model_invalid || entry->path.empty()) {
    send(directory_.dispatcher, m);
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
    notify_queue();
  } else {
    refused_.insert(about.model);
    send(directory_.dispatcher,
         model_refused{about.worker, about.model, found ? about.why : found.error()});
  }
  for (auto& w : std::exchange(wishes_, {})) {
    const auto* const chosen = chosen_for(w.asked);
    if (chosen != nullptr && looked_at_.contains(chosen->name)) {
      wishes_.push_back(std::move(w));
    } else {
      w.later.deliver(chosen == nullptr ? model_granted{} : granted(*chosen));
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
