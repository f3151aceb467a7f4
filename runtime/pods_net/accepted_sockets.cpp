#include "runtime/pods_net/accepted_sockets.hpp"

namespace tayfa::pods {

void accepted_sockets::count(const accepted_socket& s, int by) {
  if (!counts(s)) {
    return;
  }
  auto& of_address = unfinished_of_[s.peer.address];
  if (by > 0) {
    ++unfinished_;
    ++of_address;
    return;
  }
  --unfinished_;
  if (--of_address == 0) {
    unfinished_of_.erase(s.peer.address);
  }
}

accepted_sockets::acceptance accepted_sockets::accepted(int fd, const peer_name& peer, moment now) {
  acceptance out;
  if (const auto found = sockets_.find(fd); found != sockets_.end()) {
    if (found->second.peer == peer && !found->second.reported) {
      found->second.reported = true; // its first message was quicker than this report
      return out;
    }
    out.replaced = found->second.connection;
    count(found->second, -1);
    sockets_.erase(found);
  }
  const auto of_address = unfinished_of_.find(peer.address);
  if (sockets_.size() >= limits_.connections) {
    out.refused = "there are " + std::to_string(sockets_.size()) + " connections already";
  } else if (unfinished_ >= limits_.unfinished) {
    out.refused = std::to_string(unfinished_) + " handshakes are unfinished";
  } else if (of_address != unfinished_of_.end() &&
             of_address->second >= limits_.unfinished_per_address) {
    out.refused = std::to_string(of_address->second) + " handshakes of this address are unfinished";
  }
  const accepted_socket added{peer, 0, true, !out.refused.empty(), now};
  count(added, +1);
  sockets_.emplace(fd, added);
  return out;
}

connection_id accepted_sockets::heard(int fd, const peer_name& peer, connection_id connection,
                                      moment now) {
  connection_id replaced = 0;
  auto found = sockets_.find(fd);
  if (found != sockets_.end()) {
    count(found->second, -1);
    replaced = found->second.connection;
  }
  if (found == sockets_.end() || found->second.peer != peer) {
    sockets_.insert_or_assign(fd, accepted_socket{peer, connection, false, false, now});
  } else {
    found->second.connection = connection;
  }
  return replaced;
}

std::optional<accepted_sockets::ending> accepted_sockets::disconnected(int fd) {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) {
    return std::nullopt;
  }
  count(found->second, -1);
  ending out{found->second.connection, found->second.peer.address, found->second.refused};
  sockets_.erase(found);
  return out;
}

accepted_sockets::overdue_sockets accepted_sockets::overdue(moment now) {
  overdue_sockets out;
  for (auto it = sockets_.begin(); it != sockets_.end();) {
    auto& s = it->second;
    const bool late = now - s.since >= limits_.silent;
    if (late && !s.reported) {
      // Its end was reported before its last message was read.
      out.ended.push_back(s.connection);
      it = sockets_.erase(it);
      continue;
    }
    if (late && counts(s)) {
      count(s, -1);
      s.refused = true;
      out.silent.emplace_back(it->first, s.peer);
    }
    ++it;
  }
  return out;
}

std::vector<connection_id>
accepted_sockets::sweep(const std::function<bool(int, const peer_name&)>& as_listed) {
  std::vector<connection_id> ended;
  for (auto it = sockets_.begin(); it != sockets_.end();) {
    if (as_listed(it->first, it->second.peer)) {
      ++it;
      continue;
    }
    if (it->second.connection != 0) {
      ended.push_back(it->second.connection);
    }
    count(it->second, -1);
    it = sockets_.erase(it);
  }
  return ended;
}

std::vector<std::pair<int, peer_name>> accepted_sockets::unfinished_sockets() const {
  std::vector<std::pair<int, peer_name>> out;
  for (const auto& [fd, s] : sockets_) {
    if (counts(s)) {
      out.emplace_back(fd, s.peer);
    }
  }
  return out;
}

std::optional<std::string> accepted_sockets::peer_of(int fd, connection_id connection) const {
  const auto found = sockets_.find(fd);
  return found != sockets_.end() && found->second.connection == connection
             ? std::optional{found->second.peer.whole}
             : std::nullopt;
}

} // namespace tayfa::pods
