//! `hookscope trace --in-kernel`: the same question to the kernel, in a twin of the machine's network, and both answers
//! side by side.

use anyhow::{Context, anyhow};
use hookscope::flow::options;
use hookscope::flow::words::Words;
use hookscope::flow::{Question, Simulator, Trace};
use hookscope::lab::twin::{Act, Comparison, Twin, compare, json as comparison_json};
use hookscope::lang::nft::delinearize::TableView;
use hookscope::lang::nft::facts;
use hookscope::model::{Name, Snapshot};
use hookscope::session::case::{self, Case};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A case from a file, to be asked about again.
pub struct Kept(Case);

impl Kept {
    pub fn open(path: &Path) -> anyhow::Result<Kept> {
        let case = case::open(path)
            .with_context(|| format!("cannot read the case '{}'", path.display()))?;
        Ok(Kept(case))
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Its packet; `now` where it does not say when, in nanoseconds since 1970.
    pub fn question(&self, now: i64) -> anyhow::Result<Question> {
        let case = &self.0;
        let pairs = options::pairs(&case.options).map_err(|wrong| anyhow!(wrong.message))?;
        let words = pairs.iter().map(|(name, text)| (*name, text.as_str()));
        let mut question = options::question(words).map_err(|wrong| anyhow!(wrong.message))?;
        question.time = question.time.or(Some(now));
        // The first cases had the bytes beside the options only.
        if let Some(frame) = &case.frame {
            question.frame = Some(frame.to_vec());
        }
        if question.payload.is_empty() {
            question.payload = case.payload.to_vec();
        }
        Ok(question)
    }

    /// What both said at that time.
    pub fn json(&self) -> Value {
        let read = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        json!({
            "program": self.0.program,
            "options": self.0.options,
            "predicted": read(&self.0.predicted),
            "in_kernel": read(&self.0.in_kernel),
        })
    }

    pub fn lines(&self) -> Vec<String> {
        let then = self.json();
        let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let mut out = vec![format!(
            "when the case was kept, by version {}: {} was predicted, in the kernel: {}",
            self.0.program,
            word(&then["predicted"]["fate"]),
            word(&then["in_kernel"]["end"]),
        )];
        let differences = then["in_kernel"]["differences"].as_array();
        let differences = differences.into_iter().flatten();
        out.extend(differences.map(|difference| format!("  {}", word(difference))));
        out
    }
}

/// A twin with what is needed to compare.
pub struct Asked<'a> {
    twin: Twin,
    picture: &'a Arc<Snapshot>,
}

/// Both answers to one packet.
pub struct Both {
    pub comparison: Comparison,
    /// The member `in_kernel` of the JSON.
    pub json: Value,
}

impl<'a> Asked<'a> {
    pub fn new(picture: &'a Arc<Snapshot>, questions: &[&Question]) -> anyhow::Result<Asked<'a>> {
        let mut entries: Vec<Name> = questions
            .iter()
            .filter_map(|question| question.iif.as_deref().map(Name::from))
            .collect();
        entries.sort();
        entries.dedup();
        let twin = Twin::new(picture, &entries)?;
        Ok(Asked { twin, picture })
    }

    pub fn ask(
        &self,
        simulator: &Simulator<'_>,
        question: &Question,
        trace: &Trace,
    ) -> anyhow::Result<Both> {
        let answer = self.twin.ask(question, trace)?;
        let comparison = compare(self.picture, simulator, trace, &answer);
        let text = |act: &Act| self.text(act);
        let json = comparison_json(
            self.picture,
            &answer,
            &comparison,
            &self.twin.not_copied,
            text,
        );
        Ok(Both { comparison, json })
    }

    fn text(&self, act: &Act) -> Option<String> {
        let table = self.picture.ruleset.table(act.family, &act.table)?;
        let rules = &table.chain(&act.chain)?.rules;
        let rule = rules.iter().find(|rule| Some(rule.handle) == act.handle)?;
        let view = TableView::new(table);
        Some(facts::rule_text_stateless(&view, &self.picture.names, rule))
    }

    /// The kernel's answer for people; `kept` is about a case that is in a file already.
    pub fn lines(&self, both: &Both, kept: bool) -> Vec<String> {
        let comparison = &both.comparison;
        let mut out = vec!["the kernel itself, in a copy of this network:".to_owned()];
        for act in &comparison.kernel {
            let text = self.text(act).map(|text| format!(": {text}"));
            match act.handle {
                Some(handle) => {
                    let verdict = match act.verdict.as_str() {
                        "continue" => String::new(),
                        verdict => format!(" -> {verdict}"),
                    };
                    out.push(format!(
                        "  {} {} {} {handle}{}{verdict}",
                        act.family,
                        act.table,
                        act.chain,
                        text.unwrap_or_default()
                    ));
                }
                None => out.push(format!("  {act}")),
            }
        }
        let oif = comparison
            .oif
            .as_ref()
            .map(|oif| format!(" by {oif}"))
            .unwrap_or_default();
        out.push(format!("=> {}{oif}", comparison.end));
        if comparison.agrees() {
            let unless = if comparison.uncertain {
                " (as one of its uncertain branches)"
            } else {
                ""
            };
            out.push(format!("the prediction is the same{unless}"));
        } else {
            out.push("THE PREDICTION DIFFERS:".to_owned());
            for difference in &comparison.differences {
                out.push(format!("  {difference}"));
            }
            if !kept {
                out.push("  (--save-case FILE keeps everything that is needed to look into it; --case FILE asks again)".into());
            }
        }
        for what in &self.twin.not_copied {
            out.push(format!("not in the copy: {what}"));
        }
        out
    }

    /// Keep a case where the answers differ.
    pub fn save(
        &self,
        path: &Path,
        words: &Words<'_>,
        question: &Question,
        trace: &Trace,
        both: &Both,
    ) -> anyhow::Result<()> {
        let predicted = words.json(trace, question.iif.as_deref(), &Value::Null);
        let case = Case {
            program: env!("CARGO_PKG_VERSION").into(),
            options: options::text(question),
            frame: question.frame.clone().map(Into::into),
            payload: question.payload.clone().into(),
            predicted: predicted.to_string(),
            in_kernel: both.json.to_string(),
            snapshot: (**self.picture).clone(),
        };
        case::save(&case, path)
            .with_context(|| format!("cannot write the case '{}'", path.display()))
    }
}
