/* One view gives way to the next: suspicion, the wedge, the agreement and the trim, for three
   members (and one that joins). README.md says what is checked, what was simplified and why, and
   where each step is in the code.

   There is one message. Its sender holds it from the start; whether another member holds it, whether
   anyone delivered it, and whether it lies within the trim are single bits. That is all: counts are
   only ever compared and minimised, so whatever can go wrong with counts of any size goes wrong with
   one of these bits (README.md).

   Sizes, and what may go wrong in the world: */
#ifndef VIEWS
#define VIEWS 1 /* changes of view, one after the other */
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef SUSPICIONS
#define SUSPICIONS 0 /* of a member that is alive and connected */
#endif
#ifndef CUTS
#define CUTS 0 /* links that fail for good: both ways, or with ONE_WAY one way */
#endif
#ifndef FREE_BALLOTS
#define FREE_BALLOTS 3 /* while the world is restless */
#endif
#ifndef BALLOTS
#define BALLOTS 9 /* in all; see `lead` */
#endif
#ifdef JOIN
#define SLOTS 4 /* member 3 is in no view at first */
#else
#define SLOTS 3
#endif
/* LEAVE: one member, any, asks to leave. SILENT: nobody sends the message, so that there is room for
   more that goes wrong. */

/* --- sets of ranks are bits of a byte. Members keep their order from view to view, and joiners come
   after them: so a slot serves as rank in every view. */
#define just(p) (1 << (p))
#define has(set, p) (((set) >> (p)) & 1)
#define size(set) sizes[set]
#define first(set) ((set) & -(set))
#define before(p) (just(p) - 1)
#define after(p) (15 - before(p) - just(p))
/* More than half, or an even half with the lowest rank. */
#define is_majority(some, all) \
  (2 * size((some) & (all)) + (((some) & first(all)) != 0) > size(all))
hidden byte sizes[16];

/* --- the world */
byte crashed;      /* members */
byte lost;         /* of those, whose messages in flight were lost with them */
byte cut[SLOTS];   /* cut[p]: whom p's messages no longer reach */
byte leaving;      /* who has asked to */
byte joining;
byte crashes, suspicions, cuts;
bit calm;          /* no fault comes any more */

/* --- the members */
byte view[SLOTS];     /* that a member has installed, or that expelled it */
byte stopped;         /* by a view that it is not in */
byte suspects[SLOTS]; /* from here on all is about a member's present view */
byte spreading[SLOTS]; /* of those, whom others must suspect too */
byte accusers[SLOTS]; /* who spreads an accusation of it, as far as it has heard */
byte wedged;
byte holding[VIEWS];  /* who holds each view's message */
byte ballot[SLOTS];   /* that it leads; 0: none */
byte spent;           /* who has used up its ballots: a limit of the model */
byte promise[SLOTS];  /* the highest ballot that it answered; 0: none */

/* --- the ballots of each view, 1 to BALLOTS: what the messages in flight say. What a member
   accepted and what it answered stays true, so messages are never taken out, only lost. */
#define ROOM (VIEWS * (BALLOTS + 1))
#define at(v, b) ((v) * (BALLOTS + 1) + (b))
byte answers[ROOM];   /* promises that reach the owner */
byte accepted[ROOM];  /* who accepted */
byte agreed[ROOM];    /* of those, whose word reaches the owner */
byte next_view[ROOM]; /* the proposal; 0: none yet */
bit next_trim[ROOM];
bit fresh[ROOM];       /* the proposal is the owner's own, not one that it found accepted */

/* --- what came of it: for the assertions, and for those who learn it */
byte members[VIEWS + 1];
byte sender[VIEWS + 1];
bit delivered[VIEWS + 1]; /* by anyone */
bit trim[VIEWS + 1];      /* 1: the view's message lies within it */
byte deciders[VIEWS + 1]; /* who decided on a view, and so told everybody */

hidden byte v, each, quorum, best, kept, low;
hidden byte held;
hidden byte agreement, continuity, no_trimmed_delivery, holds_the_trim, not_stuck, ballots_left, one_at_most;

#define alive(p) (!has(crashed | stopped, p))
#define active(p) (alive(p) && view[p] < VIEWS && has(members[view[p]], p))
#define suspected(p, q) has(suspects[p], q)
#define unsuspected(p) (members[view[p]] & ~suspects[p])
#define peers(p, q) ((q) != (p) && has(members[view[p]], q))
#define same_view(p, q) (peers(p, q) && view[q] == view[p])

/* What q says comes to p, sooner or later: also what it said before it crashed, unless lost. */
#define reaches(q, p) (!has(cut[q], p) && !has(lost, q))
#ifdef BUG_FENCE_CUTS_VOTES
#define passes(q, p) (reaches(q, p) && !suspected(p, q) && !suspected(q, p))
#else
#define passes(q, p) reaches(q, p)
#endif

/* Contact is two-way: heartbeats and their echoes, which a fence does not end. */
#define linked(p, q) (!has(cut[p], q) && !has(cut[q], p))
#define contact(p, q) \
  (same_view(p, q) && alive(q) && linked(p, q) && passes(q, p))
#if SLOTS == 4
#define in_contact(p) (just(p) | contact(p, 0) | contact(p, 1) << 1 | contact(p, 2) << 2 \
                       | contact(p, 3) << 3)
#else
#define in_contact(p) (just(p) | contact(p, 0) | contact(p, 1) << 1 | contact(p, 2) << 2)
#endif

/* ======== the message ======== */

#ifdef BUG_NO_FREEZE
#define frozen(p) 0
#else
#define frozen(p) has(wedged, p)
#endif

/* Only what p itself suspects is fenced from it: what a sender wrote before it fenced p may still
   land. */
inline receive(p, q) {
  active(p) && q == sender[view[p]] && peers(p, q) && has(holding[view[p]], q) &&
  !has(holding[view[p]], p) && !frozen(p) && !suspected(p, q) && reaches(q, p) ->
    holding[view[p]] = holding[view[p]] | just(p)
}

#ifdef BUG_DELIVER_UNSUSPECTED
#define needed(p) unsuspected(p)
#else
#define needed(p) members[view[p]]
#endif

/* `stable`: every member holds it. Rows only grow, so reading the present where a member would read
   something older allows more, never less. */
inline deliver(p) {
  active(p) && !delivered[view[p]] && (needed(p) & ~holding[view[p]]) == 0 ->
    delivered[view[p]] = 1;
    no_trimmed_delivery = (members[view[p] + 1] == 0 || trim[view[p]]);
    assert(no_trimmed_delivery)
}

/* ======== suspicion ======== */


/* p waits for one that has yet to install p's view, unless it cannot come. */
#define lags(q, p) (view[q] < view[p] && alive(q) && linked(p, q))
#define isolated(p) (!is_majority(in_contact(p), members[view[p]]))
#define hears(p, q) (active(p) && same_view(p, q) && passes(q, p) && !isolated(q))
#ifdef BUG_ACCUSED_LEADS
#define accused_by_earlier(p) 0
#else
#define accused_by_earlier(p) ((accusers[p] & ~suspects[p]) != 0)
#endif

inline suspect(p, some) {
  suspects[p] = suspects[p] | (some);
  spreading[p] = spreading[p] | ((some) & after(p))
}

/* Silence, deafness, or a lost link: but only who is answered by a majority since may accuse. Who
   moved on to a later view has gone from this one. */
inline miss(p, q) {
  active(p) && peers(p, q) && !suspected(p, q) && !contact(p, q) && !lags(q, p) && !isolated(p) ->
    suspect(p, just(q))
}

/* An accusation by a rank before the accused spreads, whoever passes it on. What a suspect says
   counts for nothing, nor what one says who accuses p. */
inline heed(p, q) {
  hears(p, q) && !suspected(p, q) && !suspected(q, p) && (spreading[q] & ~suspects[p]) != 0 ->
    suspects[p] = suspects[p] | spreading[q];
    spreading[p] = spreading[p] | spreading[q]
}

inline hear_of_own_accusation(p, q) {
  hears(p, q) && has(spreading[q], p) && !has(accusers[p], q) ->
    accusers[p] = accusers[p] | just(q)
}

/* Accused by a later rank, on that one's own evidence. (Who is accused by an earlier rank sends
   nothing more, which needs no step: the message has been sent.) */
#ifdef BUG_ACCUSE_BACK_WHO_RELAYS
#define may_accuse_back(p, q) 1
#else
#define may_accuse_back(p, q) (!has(spreading[q], p) && !accused_by_earlier(p))
#endif
inline accuse_back(p, q) {
  hears(p, q) && p < q && suspected(q, p) && !suspected(p, q) && !isolated(p) &&
  may_accuse_back(p, q) ->
    suspect(p, just(q))
}

/* ======== wedge ======== */

#define leads(p) ((unsuspected(p) & before(p)) == 0 && !accused_by_earlier(p))
#define requests(v) (((leaving) & members[v]) != 0 || (joining & ~members[v]) != 0)

inline wedge(p) {
  active(p) && !has(wedged, p) &&
  (suspects[p] != 0 || (leads(p) && requests(view[p]))) ->
    wedged = wedged | just(p)
}

/* ======== agreement ======== */

#if SLOTS == 4
#define any(what) (what(0) || what(1) || what(2) || what(3))
#define any_of(what, p) (what(p, 0) || what(p, 1) || what(p, 2) || what(p, 3))
#else
#define any(what) (what(0) || what(1) || what(2))
#define any_of(what, p) (what(p, 0) || what(p, 1) || what(p, 2))
#endif

#define owner(b) (((b) - 1) % SLOTS)
#define own_above(p, ballot) ((ballot) + 1 + ((p) + BALLOTS * SLOTS - (ballot)) % SLOTS)
#define may_lead(p) (active(p) && has(wedged, p) && leads(p))
#define proposal(p) at(view[p], ballot[p])
#define own_vote(p) (promise[p] == ballot[p] -> just(p) : 0)
#define most_ballots (calm -> BALLOTS : FREE_BALLOTS)

inline open(p, number) {
  if
  :: ballot[p] != 0 -> /* what was said about the last one does not count any more */
    answers[proposal(p)] = just(p);
    agreed[proposal(p)] = 0
  :: else
  fi;
  ballot[p] = number;
  promise[p] = number;
  answers[at(view[p], number)] = just(p)
}

/* A member votes for one that it suspects only if those it hears and does not suspect are no
   majority. */
#ifdef BUG_VOTE_FOR_SUSPECTS
#define willing(p, c) 1
#else
#define willing(p, c) \
  (!suspected(p, c) || !is_majority(in_contact(p) & ~suspects[p], members[view[p]]))
#endif

/* Refused: somebody has promised a higher ballot, or this member has. */
#define refusal(p, q) \
  (promise[q] > ballot[p] && (p == q || (contact(p, q) && willing(q, p))))

/* Nobody has accepted the proposal yet, as far as p knows, and it keeps one that p suspects now. */
#define outdated(p) \
  (fresh[proposal(p)] && agreed[proposal(p)] == 0 && (next_view[proposal(p)] & suspects[p]) != 0)
#define wants_ballot(p) \
  (may_lead(p) && !has(spent, p) && (ballot[p] == 0 || any_of(refusal, p) || outdated(p)))

/* Where there is a contest, after a random wait. When the world is calm, waits grow until somebody's
   ballot is played out undisturbed: so from then on only when nothing else can happen. */
inline lead(p) {
  (!calm || promise[p] == 0 || timeout) && wants_ballot(p) ->
    low = promise[p];
    if
    :: ballot[p] != 0 -> find_higher(p, 0); find_higher(p, 1); find_higher(p, 2)
#if SLOTS == 4
      ; find_higher(p, 3)
#endif
    :: else
    fi;
    low = own_above(p, low);
    if
    :: low <= most_ballots -> open(p, low)
    :: low > BALLOTS -> spent = spent | just(p)
    :: else
    fi;
    low = 0
}
inline find_higher(p, q) {
  if
  :: promise[q] > low && refusal(p, q) -> low = promise[q]
  :: else
  fi
}

#define request(p, b) \
  (active(p) && p != owner(b) && view[owner(b)] >= view[p] && passes(owner(b), p) && \
   answers[at(view[p], b)] != 0 && willing(p, owner(b)))

/* Whether the owner will make use of p's answer. */
#define counts(p, b) \
  (passes(p, owner(b)) && view[owner(b)] == view[p] && ballot[owner(b)] == (b))

inline give_promise(p, b) {
  request(p, b) && promise[p] < b ->
    wedged = wedged | just(p);
    promise[p] = b;
    if
    :: counts(p, b) && next_view[at(view[p], b)] == 0 ->
      answers[at(view[p], b)] = answers[at(view[p], b)] | just(p)
    :: else
    fi
}

#ifdef BUG_NO_MAJORITY
#define is_quorum(some, all) ((some) != 0)
#else
#define is_quorum(some, all) is_majority(some, all)
#endif

/* The owner has its answers: from all whom it does not suspect, and from a majority. Those of one
   that it suspects may not have come yet, though they were given. */
#define answered(p) answers[proposal(p)]
inline propose(p, without) {
  may_lead(p) && ballot[p] != 0 && next_view[proposal(p)] == 0 &&
  (without == 0 || (without & suspects[p] & answered(p)) == without) &&
  (unsuspected(p) & ~answered(p)) == 0 &&
  is_quorum(answered(p) & ~without, members[view[p]]) ->
    quorum = answered(p) & ~without;
    best = ballot[p] - 1;
    do
    :: best > 0 && (accepted[at(view[p], best)] & quorum) == 0 -> best--
    :: else -> break
    od;
#ifdef BUG_FORGET_ACCEPTED
    best = 0;
#endif
    if
    :: best > 0 ->
      kept = next_view[at(view[p], best)];
      held = next_trim[at(view[p], best)]
    :: else ->
      kept = unsuspected(p) & ~leaving;
      if
      :: kept == 0 -> kept = unsuspected(p) /* somebody must stay */
      :: else
      fi;
#ifdef BUG_TRIM_BY_MAXIMUM
      held = (unsuspected(p) & holding[view[p]]) != 0;
#else
#ifdef BUG_TRIM_WITHOUT_LEAVERS
      held = (kept & ~holding[view[p]]) == 0;
#else
      held = (unsuspected(p) & ~holding[view[p]]) == 0;
#endif
#endif
      kept = kept | (joining & ~members[view[p]])
    fi;
    next_view[proposal(p)] = kept;
    next_trim[proposal(p)] = held;
    fresh[proposal(p)] = (best == 0);
    answers[proposal(p)] = just(p);
#ifdef BUG_OWN_VOTE_FIRST
    accepted[proposal(p)] = own_vote(p);
#endif
    best = 0; quorum = 0; kept = 0; held = 0
}

inline accept(p, b) {
  request(p, b) && next_view[at(view[p], b)] != 0 && promise[p] <= b &&
  !has(accepted[at(view[p], b)], p) ->
    wedged = wedged | just(p);
    promise[p] = b;
    accepted[at(view[p], b)] = accepted[at(view[p], b)] | just(p);
    if
    :: counts(p, b) -> agreed[at(view[p], b)] = agreed[at(view[p], b)] | just(p)
    :: else
    fi
}

/* The owner's vote comes last, and only if it has promised no higher ballot: so that a proposal
   that nobody has accepted can still be replaced. */
inline decide(p) {
  active(p) && ballot[p] != 0 && next_view[proposal(p)] != 0 &&
  is_quorum(agreed[proposal(p)] | own_vote(p), members[view[p]]) ->
    accepted[proposal(p)] = accepted[proposal(p)] | own_vote(p);
    continuity = is_majority(accepted[proposal(p)], members[view[p]]);
    assert(continuity);
    deciders[view[p] + 1] = deciders[view[p] + 1] | just(p);
    install(p, next_view[proposal(p)], next_trim[proposal(p)])
}

/* ======== the next view ======== */

inline install(p, next, within) {
  v = view[p];
  if
  :: members[v + 1] == 0 ->
    members[v + 1] = next;
    trim[v] = within;
    no_trimmed_delivery = (within || !delivered[v]);
    assert(no_trimmed_delivery)
#if VIEWS > 1 && !defined(SILENT)
    ;
    if
    :: v + 1 < VIEWS && has(next, 0) -> sender[v + 1] = 0
    :: v + 1 < VIEWS && has(next, 1) -> sender[v + 1] = 1
    :: v + 1 < VIEWS && has(next, 2) -> sender[v + 1] = 2
    :: v + 1 == VIEWS
    fi;
    if
    :: v + 1 < VIEWS -> holding[v + 1] = just(sender[v + 1])
    :: else
    fi
#endif
  :: else ->
    agreement = (members[v + 1] == next && trim[v] == within);
    assert(agreement)
  fi;
  /* Survivors, those that leave included, were asked, and deliver up to the trim. */
  holds_the_trim = (!has(next, p) || has(wedged, p)) &&
                   (!within || has(holding[v], p) || !has(next | leaving, p));
  assert(holds_the_trim);
  enter(p, v + 1);
  v = 0
}

inline enter(p, number) {
  view[p] = number;
  if
  :: !has(members[number], p) -> stopped = stopped | just(p)
  :: else
  fi;
  suspects[p] = 0;
  spreading[p] = 0;
  accusers[p] = 0;
  wedged = wedged & ~just(p);
  ballot[p] = 0;
  promise[p] = 0
}

/* Who has a later view answers with the latest. Who is expelled, or leaves, tells everybody before
   it stops; and so does who decides, before anything else. */
#ifdef BUG_EXPELLED_TELLS_NOBODY
#define tells(q) alive(q)
#else
#ifdef BUG_ONLY_DECIDERS_TELL
#define tells(q) (alive(q) || has(deciders[view[q]], q))
#else
#define tells(q) (!has(crashed, q) || has(deciders[view[q]], q))
#endif
#endif
inline learn(p, q) {
  active(p) && view[q] > view[p] && tells(q) && reaches(q, p) ->
    if
    :: view[q] == view[p] + 1 -> install(p, members[view[q]], trim[view[p]])
    :: else ->
      agreement = !has(members[view[q]], p); /* nobody is kept who missed a view */
      assert(agreement);
      enter(p, view[q])
    fi
}

/* A joiner gets the state, and then the view. */
inline admit(p, q) {
  alive(p) && view[p] == 0 && !has(members[0], p) && view[q] > 0 &&
  has(members[view[q]], p) && tells(q) && reaches(q, p) ->
    view[p] = view[q]
}

/* ======== who does what ======== */

#if SLOTS == 4
#define EACH_PEER(step) :: atomic { step(me, 0) } :: atomic { step(me, 1) } \
                        :: atomic { step(me, 2) } :: atomic { step(me, 3) }
#else
#define EACH_PEER(step) :: atomic { step(me, 0) } :: atomic { step(me, 1) } \
                        :: atomic { step(me, 2) }
#endif
proctype member(byte me) {
end:
  do
  EACH_PEER(receive)
  :: atomic { deliver(me) }
  EACH_PEER(miss)
  EACH_PEER(heed)
  EACH_PEER(hear_of_own_accusation)
  EACH_PEER(accuse_back)
  :: atomic { wedge(me) }
  :: atomic { lead(me) }
  :: atomic { propose(me, 0) }
  :: atomic { propose(me, 1) }
  :: atomic { propose(me, 2) }
  :: atomic { propose(me, 4) }
  :: atomic { decide(me) }
  EACH_PEER(learn)
#ifdef JOIN
  :: atomic { propose(me, 8) }
  EACH_PEER(admit)
#endif
  od
}

/* The messages of one ballot of each view, and who makes what of them. */
#if SLOTS == 4
#define EACH_MEMBER(step) :: atomic { step(0, b) } :: atomic { step(1, b) } \
                          :: atomic { step(2, b) } :: atomic { step(3, b) }
#else
#define EACH_MEMBER(step) :: atomic { step(0, b) } :: atomic { step(1, b) } \
                          :: atomic { step(2, b) }
#endif
proctype messages(byte b) {
end:
  do
  EACH_MEMBER(give_promise)
  EACH_MEMBER(accept)
  od
}

/* ======== the world ======== */

/* What p said and q has not heard yet is lost. */
inline forget(p, q) {
  each = 0;
  do
  :: each < ROOM ->
    if
    :: each % (BALLOTS + 1) != 0 && owner(each % (BALLOTS + 1)) == q && q != p ->
      answers[each] = answers[each] & ~just(p);
      agreed[each] = agreed[each] & ~just(p)
    :: else
    fi;
    each++
  :: else -> break
  od;
  each = 0
}

inline crash(p) {
  crashes < CRASHES && alive(p) ->
    crashes++;
    crashed = crashed | just(p);
    if
    :: true
    :: true -> lost = lost | just(p); forget(p, 0); forget(p, 1); forget(p, 2)
    fi
}

inline cut_one_way(p, q) {
  cut[p] = cut[p] | just(q);
  if
  :: true
  :: true -> forget(p, q)
  fi
}

inline fail_link(p, q) {
#ifdef ONE_WAY
  cuts < CUTS && !has(cut[p], q) -> cuts++; cut_one_way(p, q)
#else
  cuts < CUTS && p < q && !has(cut[p], q) -> cuts++; cut_one_way(p, q); cut_one_way(q, p)
#endif
}

inline suspect_the_living(p, q) {
  suspicions < SUSPICIONS && active(p) && peers(p, q) && !suspected(p, q) &&
  !isolated(p) ->
    suspicions++;
    suspect(p, just(q))
}

inline ask_to_leave(p) {
  leaving == 0 && active(p) -> leaving = just(p)
}

#define EACH_PAIR(step) \
  :: atomic { step(0, 1) } :: atomic { step(0, 2) } :: atomic { step(1, 2) } \
  :: atomic { step(1, 0) } :: atomic { step(2, 0) } :: atomic { step(2, 1) }

init {
  atomic {
    do
    :: each < 15 -> each++; sizes[each] = sizes[each >> 1] + (each & 1)
    :: else -> break
    od;
    each = 0;
    members[0] = 7;
#ifdef SILENT
    sender[0] = SLOTS;
#else
    if
    :: sender[0] = 0
    :: sender[0] = 1
    :: sender[0] = 2
    fi;
    holding[0] = just(sender[0]);
#endif
    run member(0); run member(1); run member(2);
#ifdef JOIN
    run member(3);
#endif
    each = 1;
    do
    :: each <= BALLOTS -> run messages(each); each++
    :: else -> break
    od;
    each = 0;
    run judge()
  }
  do
  :: atomic { crash(0) } :: atomic { crash(1) } :: atomic { crash(2) }
#ifdef JOIN
  :: atomic { crash(3) }
  :: joining == 0 -> joining = just(3)
#endif
#ifdef LEAVE
  :: atomic { ask_to_leave(0) } :: atomic { ask_to_leave(1) } :: atomic { ask_to_leave(2) }
#endif
#if CUTS > 0
  EACH_PAIR(fail_link)
#endif
#if SUSPICIONS > 0
  EACH_PAIR(suspect_the_living)
#endif
  :: calm = 1 -> break
  od
}

/* ======== what must have come of it ======== */

#define in_reach_one(p, q) (peers(p, q) && alive(q) && linked(p, q))
#if SLOTS == 4
#define in_reach(p) (just(p) | in_reach_one(p, 0) | in_reach_one(p, 1) << 1 | \
                     in_reach_one(p, 2) << 2 | in_reach_one(p, 3) << 3)
#else
#define in_reach(p) (just(p) | in_reach_one(p, 0) | in_reach_one(p, 1) << 1 | \
                     in_reach_one(p, 2) << 2)
#endif

/* There is reason to leave p's view, and a majority of it is alive and connected: p must not still
   be there when nothing more can happen. */
#define stuck(p) \
  (active(p) && is_majority(in_reach(p), members[view[p]]) && \
   (in_reach(p) != members[view[p]] || suspects[p] != 0 || has(wedged, p)))
/* A member of the latest view, with a majority of it, must know of it; unless nobody is left who
   could tell. */
#define latest ((VIEWS > 1 && members[VIEWS] != 0) -> VIEWS : 1)
#define knows(q) (view[q] == latest && !has(crashed, q))
#define ignorant(p) \
  (alive(p) && has(members[latest], p) && view[p] < latest && \
   is_majority(in_reach(p), members[latest]) && \
   ((knows(0) && linked(p, 0)) || (knows(1) && linked(p, 1)) || (knows(2) && linked(p, 2))))

proctype judge() {
end:
  atomic {
    timeout && !any(wants_ballot) ->
      not_stuck = !any(stuck) && !any(ignorant);
      ballots_left = (not_stuck || spent == 0);
      assert(ballots_left);
      assert(not_stuck);
      one_at_most = (crashes + suspicions + cuts > 1 || leaving != 0 || members[1] == 0 ||
                     size(members[1] & 7) >= 2);
      assert(one_at_most)
  }
}
