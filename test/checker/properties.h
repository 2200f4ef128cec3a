#pragma once
// The properties, one function each. `Checker::check` says which stack promises
// which.

#include "test/checker/history.h"

namespace squall::checker {

/// Nothing follows a process's crash; nobody sends two messages under one number; views have
/// members.
void check_well_formed(const History& history, Findings& findings);

// --- of views

/// p installs V ⇒ p is in V.
void check_self_inclusion(const History& history, Findings& findings);

/// View ids strictly increase at a process, and at a node also across its restarts (as far as its
/// `runs_in_turn`).
void check_monotone_views(const History& history, const Guarantees& guarantees, Findings& findings);

/// Two that install a view of the same id install the same members, in the same ranks.
void check_view_agreement(const History& history, Findings& findings);

/// Nothing is sent or delivered before the first install, and each delivery is in the view that
/// its process has installed last.
void check_initial_view(const History& history, Findings& findings);

/// Whoever goes on from a view goes on to the same next one, by its id (for the members of one id
/// there is view agreement).
void check_primary_uniqueness(const History& history, Findings& findings);

/// p goes from V to V′ ⇒ a majority of V (core/base/rank_set.h) accepted V′ before, or installed
/// it. Without acceptances in the trace, whoever did not go elsewhere may have.
void check_primary_continuity(const History& history, Findings& findings);

// --- of messages, for every stack

/// Delivered ⇒ sent earlier (merged traces: sent), by that sender, with the same bytes.
void check_integrity(const History& history, Findings& findings);

/// A message is delivered at most once at a process.
void check_no_duplication(const History& history, Findings& findings);

/// At each process, messages of one sender are delivered in the order of their numbers, and none
/// that was sent is left out between two that are delivered. Who was there from the sender's first
/// view on starts with the sender's first message.
void check_fifo(const History& history, Findings& findings);

/// A sender that neither crashed nor was expelled has delivered, when all is quiet, what it sent.
void check_self_delivery(const History& history, Findings& findings);

// --- of messages, with `stable`

/// All who deliver a message deliver it in the same view.
void check_same_view(const History& history, Findings& findings);

/// p and q both go from V to V′ ⇒ they delivered the same set in V.
void check_virtual_synchrony(const History& history, Findings& findings);

/// p delivers m in V ⇒ every member of V delivers m, crashes or is expelled. Who has gone on to a
/// later view must have done so; who has neither, when all is quiet.
void check_safe_delivery(const History& history, Findings& findings);

/// With `causal` or `total`: p delivers m of s, having delivered all that s had delivered when it
/// sent m. What s delivered in views before p's first one p has from its state.
void check_causal_order(const History& history, Findings& findings);

/// With `total`: a position holds the same message at everyone, those that crash later included; a
/// message has one position; positions are counted at each process without holes; and everyone
/// starts a view at the same position, the group's first delivery at 0.
void check_total_order(const History& history, Findings& findings);

}  // namespace squall::checker
