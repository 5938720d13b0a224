//! The registry of everything a person can make the program do.
//!
//! One row per action; keymaps, footer, help and palette are all made from these rows, so that none of
//! them can say something the others do not know.

/// Where a row belongs: the keymap layer whose help lists it. Names are those of the keymap files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Works everywhere, also while typing.
    Always,
    /// Works everywhere unless something is being typed.
    Global,
    /// Moving in whatever list has the focus.
    List,
    Explore,
    Tree,
    Rules,
    Details,
    Routes,
    Changes,
    Flow,
    /// The form of a packet.
    PacketForm,
    Live,
    Services,
    Flows,
    /// Writing a rule or a command.
    Editor,
    /// A question with yes and no.
    Ask,
    /// Help and messages.
    Dialog,
    /// The palette and find.
    Finder,
    /// The search line and the other one-line fields.
    Prompt,
}

impl Layer {
    pub const ALL: [Layer; 19] = [
        Layer::Always,
        Layer::Global,
        Layer::List,
        Layer::Explore,
        Layer::Tree,
        Layer::Rules,
        Layer::Details,
        Layer::Routes,
        Layer::Changes,
        Layer::Flow,
        Layer::PacketForm,
        Layer::Live,
        Layer::Services,
        Layer::Flows,
        Layer::Editor,
        Layer::Ask,
        Layer::Dialog,
        Layer::Finder,
        Layer::Prompt,
    ];

    /// The name in keymap files.
    pub fn id(self) -> &'static str {
        match self {
            Layer::Always => "always",
            Layer::Global => "global",
            Layer::List => "list",
            Layer::Explore => "explore",
            Layer::Tree => "explore-tree",
            Layer::Rules => "explore-rules",
            Layer::Details => "explore-details",
            Layer::Routes => "routes",
            Layer::Changes => "changes",
            Layer::Flow => "flow",
            Layer::PacketForm => "packet-form",
            Layer::Live => "live",
            Layer::Services => "services",
            Layer::Flows => "flows",
            Layer::Editor => "editor",
            Layer::Ask => "ask",
            Layer::Dialog => "dialog",
            Layer::Finder => "finder",
            Layer::Prompt => "prompt",
        }
    }

    /// The heading in help.
    pub fn title(self) -> &'static str {
        match self {
            Layer::Always => "Always",
            Layer::Global => "Everywhere",
            Layer::List => "Moving",
            Layer::Explore => "Explore",
            Layer::Tree => "Explore: tree",
            Layer::Rules => "Explore: rules and elements",
            Layer::Details => "Explore: details",
            Layer::Routes => "Routes",
            Layer::Changes => "Changes",
            Layer::Flow => "Flow",
            Layer::PacketForm => "Flow: the packet",
            Layer::Live => "Live",
            Layer::Services => "Services",
            Layer::Flows => "Flows",
            Layer::Editor => "Editor",
            Layer::Ask => "Questions",
            Layer::Dialog => "Help and messages",
            Layer::Finder => "Palette and find",
            Layer::Prompt => "Search line",
        }
    }

    pub fn from_id(id: &str) -> Option<Layer> {
        Layer::ALL.into_iter().find(|layer| layer.id() == id)
    }
}

/// One row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub action: Action,
    /// The name in keymap files.
    pub id: &'static str,
    /// One or two words for the footer.
    pub label: &'static str,
    /// One line for help and palette.
    pub help: &'static str,
    /// Place in the footer, 1 first; 0: not in the footer.
    pub footer: u8,
    /// The palette offers it.
    pub palette: bool,
}

macro_rules! actions {
    ($($action:ident $id:literal $label:literal $footer:literal $palette:literal $help:literal;)*) => {
        /// Everything a person can make the program do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($action),* }

        pub const ACTIONS: &[Row] = &[
            $(Row { action: Action::$action, id: $id, label: $label, help: $help, footer: $footer, palette: $palette }),*
        ];
    };
}

#[rustfmt::skip]
actions! {
    // action      id                  label        footer palette help
    Help           "help"              "help"           2 true  "explain this screen and list its keys";
    Quit           "quit"              "quit"           3 true  "leave hookscope; nothing in the kernel changes";
    Suspend        "suspend"           "suspend"        0 true  "stop hookscope and return to the shell; `fg` resumes";
    Palette        "palette"           "commands"      30 false "run any action, or go to a table, chain or set by name";
    Find           "find"              "find"          12 true  "fuzzy-find everything: rule text, chains, sets, objects, routes";
    Search         "search"            "search"        11 true  "search what is on this screen";
    NextMatch      "next-match"        "next"           8 false "go to the next match of the search";
    PreviousMatch  "previous-match"    "previous"       9 false "go to the previous match of the search";
    Freeze         "freeze"            "freeze"        20 true  "stop applying new pictures, so that nothing moves; again to go on";
    Reload         "reload"            "reload"         0 true  "read everything from the kernel again";
    Faster         "faster"            "faster"         0 true  "read counters more often";
    Slower         "slower"            "slower"         0 true  "read counters less often";
    Messages       "messages"          "messages"       0 true  "show what others changed, notices and problems so far";
    Mouse          "mouse"             "mouse"          0 true  "give the mouse to the terminal (to select text) or take it back";
    ScreenExplore  "screen-explore"    "explore"        0 true  "go to Explore: tables, chains, rules, sets";
    ScreenRoutes   "screen-routes"     "routes"         0 true  "go to Routes: policy rules, routing tables, neighbours, links";
    ScreenChanges  "screen-changes"    "changes"        0 true  "go to Changes: what is staged, validate, commit";
    ScreenFlow     "screen-flow"       "flow"           0 true  "go to Flow: the hooks, and the way of a packet through them";
    ScreenLive     "screen-live"       "live"           0 true  "go to Live: packets and drops as the kernel sees them";
    ScreenServices "screen-services"   "services"       0 true  "go to Services: what Kubernetes and Docker lead packets to, and their endpoints";
    ScreenFlows    "screen-flows"      "flows"          0 true  "go to Flows: the connections that the kernel tracks, with NAT and rates";
    NextScreen     "next-screen"       "next tab"       0 false "go to the next tab";
    PreviousScreen "previous-screen"   "previous tab"   0 false "go to the previous tab";

    Up             "up"                "up"             0 false "one line up";
    Down           "down"              "down"           0 false "one line down";
    PageUp         "page-up"           "page up"        0 false "one page up";
    PageDown       "page-down"         "page down"      0 false "one page down";
    HalfUp         "half-page-up"      "half up"        0 false "half a page up";
    HalfDown       "half-page-down"    "half down"      0 false "half a page down";
    First          "first"             "first"          0 false "to the first line";
    Last           "last"              "last"           0 false "to the last line";
    NextPane       "next-pane"         "pane"          18 false "give the focus to the next pane";
    PreviousPane   "previous-pane"     "previous pane"  0 false "give the focus to the previous pane";

    Expand         "expand"            "open"           5 false "open this node, or go into what it holds";
    Collapse       "collapse"          "close"          0 false "close this node, or go to the node that holds it";
    CollapseAll    "collapse-all"      "close all"      0 true  "close every table in the tree";
    ToggleTree     "toggle-tree"       "tree"          26 true  "show or hide the tree";
    Follow         "follow"            "follow"         4 true  "go where this rule points: the chain it jumps to, or a set it uses";
    OpenItem       "open"              "open"           4 false "open what this line stands for";
    Back           "back"              "back"           6 true  "go back to where the last jump came from";
    ToTree         "to-tree"           "tree"           7 false "give the focus to the tree";
    Zoom           "details"           "details"        5 true  "show the details of this line on the whole body; again to return";
    Sort           "sort"              "sort"          14 true  "order by the next column: rules by place, rate, packets, bytes; services by name, rate, packets, endpoints; flows by any";
    SortBack       "sort-back"         "sort back"      0 true  "order flows by the column before";
    Reverse        "reverse"           "reverse"       15 true  "turn the order of flows around";
    Syntax         "syntax"            "syntax"        15 true  "show rules of iptables in its own words, or as nft writes them";
    CopyText       "copy"              "copy"          16 true  "copy this rule, element, packet or address (over SSH too, by OSC 52)";
    CopyHandle     "copy-handle"       "copy handle"    0 true  "copy the handle of this rule";
    Lookup         "lookup"            "lookup"         4 true  "ask the kernel which route an address takes";

    Edit           "edit"              "edit"          13 true  "write another text for this rule or change; nothing happens before the commit";
    Delete         "delete"            "delete"        13 true  "stage the deletion of this rule or element, or take a staged change away";
    AddAfter       "add"               "add"           13 true  "write a new rule after this one, or a new element";
    AddBefore      "add-before"        "add before"     0 true  "write a new rule before this one";
    MoveUp         "move-up"           "move up"        0 true  "stage moving this rule over the one before it";
    MoveDown       "move-down"         "move down"      0 true  "stage moving this rule behind the one after it";
    PickUp         "pick-up"           "pick up"        0 true  "pick this rule up, to put it into another chain of its table";
    PutDown        "put-down"          "put here"      10 true  "stage moving the rule that is picked up behind this one";
    SwitchRule     "switch"            "off/on"        15 true  "stage switching this rule off, or on again; it stays where it is";
    EditTable      "edit-table"        "edit table"    0 true  "open the whole table in $EDITOR; what you change is staged";
    TurnPolicy     "policy"            "policy"        15 true  "stage the other policy for this chain: accept or drop";
    Command        "command"           "command"       19 true  "write any command of the nft language into the change set";
    Undo           "undo"              "undo"          17 true  "take back the last change of the change set";
    Redo           "redo"              "redo"           0 true  "make the last change of the change set again";
    Validate       "validate"          "validate"       5 true  "have the kernel check the staged changes without making them";
    Commit         "commit"            "commit"         4 true  "make the staged changes in the kernel, all or none; asks first";
    KeepCounters   "keep-counters"     "counters"       6 true  "let the counters of a changed rule go on, or begin anew";
    TakeTheirs     "rebase"            "rebase"         6 true  "make this change for the rule as somebody else left it";
    ClearChanges   "clear-changes"     "clear"         27 true  "take all changes out of the change set";
    Keep           "keep"              "keep"           3 true  "confirm the commit that waits";
    RollBack       "roll-back"         "take back"      3 true  "take the commit back that waits for confirmation";
    UndoCommit     "undo-commit"       "undo commit"    0 true  "take back the last commit that stands, from the journal; asks first";
    Boot           "next-boot"         "next boot"     18 true  "what the next boot loads, and how what runs differs from it";
    SaveBoot       "save-boot"         "save"           3 false "write what runs where the next boot loads it from; the old file is kept";
    ToggleWindow   "confirm-window"    "how long"       3 false "with a confirm window, for a limited time, or for good";
    Reason         "reason"            "reason"         4 false "write why, for the journal";
    Complete       "complete"          "complete"       3 false "put the word that fits here, or the next of them";
    CompleteBack   "complete-back"     "word before"    0 false "put the word before this one of those that fit here";
    NewLine        "new-line"          "new line"       0 false "begin a new line";

    Packet         "packet"            "packet"         3 true  "describe a packet and follow it through the hooks";
    StepNext       "next-step"         "step"           7 false "go to the next step of the path, or the next hook";
    StepBack       "previous-step"     "step back"      8 false "go to the step before, or the hook before";
    TurnFamily     "family"            "family"         9 true  "show the hooks of the next family: ip, ip6, bridge, arp, netdev";
    TurnView       "pending-view"      "view"           6 true  "the path as it is, with the pending changes, what differs, or beside what the kernel did";
    Watch          "watch"             "start/stop"     3 true  "start or stop watching packets; nothing is installed before, nothing stays after";
    WatchFilter    "watch-filter"      "filter"         4 true  "which packets are watched, in the words of `hookscope watch`";
    DropsOnly      "drops-only"        "drops"          6 true  "show only packets that were dropped or rejected; again for all";
    Pause          "pause"             "pause"          7 true  "hold the list still; what comes meanwhile waits";
    Predict        "predict"           "on diagram"     5 true  "show the path of this packet, of one to this service, or of this connection, on the diagram of Flow";
    PredictReply   "predict-reply"     "answers"        6 true  "show the path of this connection's answers on the diagram of Flow";
    ClosePath      "close-path"        "back"           5 false "back to the list of packets";
    ToRule         "to-rule"           "rule"           6 true  "show this rule in Explore";

    Accept         "accept"            "go"             1 false "take the selected line";
    Cancel         "cancel"            "close"          2 false "close this, or end the search";
}

impl Action {
    pub fn row(self) -> &'static Row {
        // Every variant has a row: both come from the same list, in the same order.
        &ACTIONS[self as usize]
    }

    /// Stages a change of what is under the cursor.
    pub fn edits(self) -> bool {
        matches!(
            self,
            Action::Edit
                | Action::Delete
                | Action::AddAfter
                | Action::AddBefore
                | Action::MoveUp
                | Action::MoveDown
                | Action::PickUp
                | Action::PutDown
                | Action::SwitchRule
                | Action::EditTable
                | Action::TurnPolicy
        )
    }

    pub fn id(self) -> &'static str {
        self.row().id
    }

    pub fn from_id(id: &str) -> Option<Action> {
        ACTIONS
            .iter()
            .find(|row| row.id == id)
            .map(|row| row.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_are_in_the_order_of_the_variants_and_ids_are_unique() {
        let mut ids = HashSet::new();
        for (place, row) in ACTIONS.iter().enumerate() {
            assert_eq!(row.action as usize, place);
            assert!(ids.insert(row.id), "{} twice", row.id);
            assert!(!row.help.is_empty() && !row.label.is_empty());
            assert_eq!(Action::from_id(row.id), Some(row.action));
        }
        for layer in Layer::ALL {
            assert_eq!(Layer::from_id(layer.id()), Some(layer));
        }
    }
}
