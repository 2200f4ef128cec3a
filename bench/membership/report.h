#pragma once
// Figures of many events, for people and for programs. Pure.

#include <string>

#include "bench/membership/event.h"

namespace squall::bench {

/// "membership kill shm 3x".
std::string name_of(const MembershipOptions& options);

/// Several lines.
std::string for_people(const MembershipOptions& options, const Tally& tally);

/// One line of JSON, without its end. Times are null where there was no such event.
std::string as_json(const MembershipOptions& options, const Tally& tally);

}  // namespace squall::bench
