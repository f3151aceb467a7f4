// A listening address. Everything runs on the server's one thread; owned by http_core.
//
// Invariant: while it is open, one accept is outstanding, or a pause runs because descriptors ran
// out. `take` receives each connection, and may close this listener.
#pragma once

#include "messages/error.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

namespace tayfa {

class http_listener {
 public:
  using accepted = std::function<void(boost::asio::ip::tcp::socket)>;
  using complaint = std::function<void(std::string)>;

  http_listener(boost::asio::io_context& io, accepted take, complaint complain)
      : take_(std::move(take)), complain_(std::move(complain)), acceptor_(io), pause_(io) {}

  bool is_open() const { return acceptor_.is_open(); }
  /// Binds; returns the bound address, or errc::port_in_use naming the wanted one.
  result<std::string> listen(const std::string& address);
  /// Starts accepting. Only after listen().
  void start() { accept(); }
  void close();

 private:
  result<std::string> bind(const boost::asio::ip::tcp::endpoint& wanted);
  void accept();
  void on_accept(boost::system::error_code ec, boost::asio::ip::tcp::socket s);

  accepted take_;
  complaint complain_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_; ///< between accepts after descriptors ran out
  bool short_ = false;              ///< descriptors ran out, and nothing was accepted since
};

} // namespace tayfa
