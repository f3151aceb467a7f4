#include "runtime/core/workers/known_models.hpp"

#include "messages/job.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr std::uint32_t failures_most = 3; ///< in a row, of a kind that may pass
constexpr milliseconds retry_first{1'000};
constexpr milliseconds retry_most{3'600'000};
constexpr milliseconds broken_first{60'000};
constexpr std::size_t why_most = 400; ///< of what an engine says, for clients

/// Loading the same file again ends the same way.
bool certain(errc code) {
  return code == errc::model_invalid || code == errc::no_torch || code == errc::unfit;
}

milliseconds doubled(milliseconds first, std::uint32_t times) {
  auto pause = first;
  for (std::uint32_t i = 0; i < times && pause < retry_most; ++i) {
    pause *= 2;
  }
  return std::min(pause, retry_most);
}

} // namespace

bool known_models::replace(std::vector<model_facts> models) {
  std::erase_if(troubles_, [&](const auto& entry) { // what was tried is not what there is now
    const auto* before = find(entry.first);
    return before == nullptr || std::find(models.begin(), models.end(), *before) == models.end();
  });
  if (models == models_) {
    return false;
  }
  models_ = std::move(models);
  return true;
}

const model_facts* known_models::find(const std::string& name) const {
  const auto it = std::find_if(models_.begin(), models_.end(),
                               [&name](const model_facts& m) { return m.name == name; });
  return it == models_.end() ? nullptr : &*it;
}

const known_models::trouble* known_models::trouble_with(const std::string& name) const {
  const auto it = troubles_.find(name);
  return it == troubles_.end() ? nullptr : &it->second;
}

result<void> known_models::may_run(const std::string& name, moment now) const {
  if (missing(name)) {
    return fail(errc::model_not_found, name);
  }
  if (is_broken(name, now)) {
    return fail(trouble_with(name)->why);
  }
  return {};
}

const known_models::trouble* known_models::refused(moment now, const std::string& name,
                                                   const error& why) {
  if (find(name) == nullptr) {
    return nullptr;
  }
  auto& t = troubles_[name];
  ++t.failures;
  t.broken = t.broken || certain(why.code) || t.failures >= failures_most;
  const auto first = t.broken ? broken_first : retry_first;
  const auto before = t.broken && !certain(why.code) ? failures_most : 1;
  t.again_at = now + doubled(first, t.failures - std::min(t.failures, before));
  t.why = {errc::model_unavailable, why.text.substr(0, why_most)};
  if (t.why.text.find(name) == std::string::npos) {
    t.why.text = name + ": " + (why.text.empty() ? why.str() : t.why.text);
  }
  return &t;
}

} // namespace tayfa
