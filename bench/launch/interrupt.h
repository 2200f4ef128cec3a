#pragma once
// Ctrl-C and SIGTERM as a flag, so that commands end in good order. Process-wide.

namespace squall::bench {

/// From now on SIGINT, SIGTERM and SIGHUP only set the flag (and interrupt waiting calls); a
/// second SIGINT kills as usual. Also ignores SIGPIPE and SIGXFSZ, whose calls return errors.
void catch_interrupts();
bool interrupted();

}  // namespace squall::bench
