#include "runtime/pods_net/trust_file.hpp"

#include "runtime/pods_net/invite.hpp"

#include <utility>

namespace tayfa::pods {

std::string allow_list_path(const std::string& data_folder) {
  return data_folder + "/pods";
}

wall_seconds wall_of(const time_source& time) {
  const auto since =
      std::chrono::duration_cast<std::chrono::seconds>(time.wall().time_since_epoch());
  return since.count() < 0 ? 0 : static_cast<wall_seconds>(since.count());
}

trust_file::trust_file(const time_source& time, secret_source& secrets, std::string head_key,
                       std::string path, std::chrono::milliseconds look_pause)
    : time_(time), secrets_(secrets), head_key_(std::move(head_key)), path_(std::move(path)),
      thread_([this] { look(); }, look_pause) {}

void trust_file::watch(std::function<void(result<std::shared_ptr<const admitted>>)> changed) {
  {
    const std::lock_guard guard{mutex_};
    changed_ = std::move(changed);
  }
  thread_.post([this] { read_ = false; });
}

void trust_file::stop() {
  const std::lock_guard guard{mutex_};
  changed_ = nullptr;
}

void trust_file::report(result<std::shared_ptr<const admitted>> list) {
  const std::lock_guard guard{mutex_};
  if (changed_) {
    changed_(std::move(list));
  }
}

void trust_file::look() {
  const auto now = wall_of(time_);
  const auto stamp = stamp_of(path_);
  const bool same = read_ && stamp == seen_;
  if (same && (!expiry_ || now < *expiry_)) {
    return;
  }
  if (!same) {
    read_ = true;
    seen_ = stamp;
    auto list = read_allow_list(path_);
    if (!list) {
      report(fail(list.error()));
      return;
    }
    list_ = std::move(*list);
  }
  expiry_ = list_.next_expiry(now);
  report(list_.admitted_at(now));
}

void trust_file::join(std::string token, std::string key, std::string name,
                      std::function<void(result<void>)> done) {
  thread_.post([this, token = std::move(token), key = std::move(key), name = std::move(name),
                done = std::move(done)] {
    const auto changed = change_allow_list(
        path_, [&](allow_list& list) { return list.join(token, key, name, wall_of(time_)); });
    look(); // the pod may come with its own key before its answer is read
    done(changed ? result<void>{} : fail(changed.error()));
  });
}

// ---- operators ----------------------------------------------------------------------------------

namespace {

/// A client mends what was wrong with its request.
error for_client(error e) {
  if (e.code == errc::bad_usage || e.code == errc::wrong_state) {
    e.code = errc::bad_request;
  }
  return e;
}

} // namespace

trust_list shown_list(const allow_list& list, wall_seconds now) {
  trust_list out;
  for (const auto& pod : list.pods()) {
    out.pods.push_back({pod.name, pod.key, pod.trusted, pod.by});
  }
  for (const auto& token : list.tokens()) {
    const bool expired = token.expires <= now;
    const std::chrono::seconds left{expired ? 0 : token.expires - now};
    out.tokens.push_back({token.id, expired, left, token.used_by, token.by});
  }
  return out;
}

result<allow_list> change_trust_at(const std::string& path, const change_trust& wanted,
                                   wall_seconds now) {
  return change_allow_list(path, [&](allow_list& list) -> result<void> {
    if (wanted.trusted) {
      return list.trust(wanted.pod, wanted.name, wanted.by, now);
    }
    const auto keys = list.revoke(wanted.pod, wanted.by, now);
    return keys ? result<void>{} : fail(keys.error());
  });
}

void trust_file::list(std::function<void(result<trust_list>)> done) {
  thread_.post([this, done = std::move(done)] {
    const auto list = read_allow_list(path_);
    done(list ? result<trust_list>{shown_list(*list, wall_of(time_))} : fail(list.error()));
  });
}

void trust_file::change(change_trust wanted, std::function<void(result<trust_list>)> done) {
  thread_.post([this, wanted = std::move(wanted), done = std::move(done)] {
    const auto now = wall_of(time_);
    const auto changed = change_trust_at(path_, wanted, now);
    look();
    done(changed ? result<trust_list>{shown_list(*changed, now)}
                 : fail(for_client(changed.error())));
  });
}

void trust_file::make_token(make_join_text wanted, std::string listens,
                            std::function<void(result<join_text>)> done) {
  thread_.post([this, wanted = std::move(wanted), listens = std::move(listens),
                done = std::move(done)]() mutable {
    auto addresses = addresses_of(wanted.addresses, listens);
    if (!addresses) {
      done(fail(for_client(addresses.error())));
      return;
    }
    wanted.addresses = std::move(*addresses);
    const auto made = invite(path_, head_key_, wanted, wall_of(time_), secrets_);
    look(); // the token is known before its string is
    done(made ? result<join_text>{join_text{made->token, std::string{made->text.reveal()},
                                            std::chrono::minutes{wanted.minutes}}}
              : fail(for_client(made.error())));
  });
}

} // namespace tayfa::pods
