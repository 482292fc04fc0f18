//! Writing the rows that a plan names.

use super::super::record::challenge::ChallengeRecord;
use super::super::record::fault::StoreError;
use super::super::record::message::{
    CaptureRecord, ClearedRecord, DecisionHeadRecord, DecisionRecord, RequestRecord, RetentionRecord, SubjectRecord,
    TemplateRecord, seal,
};
use super::super::record::protection::{Owner, decision_key};
use super::super::record::subject_request::SubjectRequestRecord;
use super::group::Group;
use super::read::{RETENTION, heads, pair_names, template_in};
use super::sql::signed;
use super::{ledger, store};
use crate::gallery::{
    ClearedPair, DecisionKey, NewTemplate, RequestId, RetentionRun, StoredCapture, StoredChallenge, StoredDecision,
    StoredRequest, SubjectHead, SubjectId, SubjectRequest, Write,
};

impl Group<'_, '_> {
    pub(super) async fn write(&mut self, write: Write) -> Result<(), StoreError> {
        match write {
            Write::Subject(head) => self.put_subject(&head).await,
            Write::RemoveSubject(id) => self.remove_subject(&id).await,
            Write::Template { id, subject, content } => self.put_template(id, &subject, &content).await,
            Write::RemoveTemplate { id, subject } => self.remove_template(id, &subject).await,
            Write::Decision(decision) => self.put_decision(&decision).await,
            Write::RemoveDecision(key) => self.remove_decision(&key).await,
            Write::ForgetDecisions(subject) => self.forget("decisions", &subject).await,
            Write::Capture(capture) => self.put_capture(&capture).await,
            Write::ForgetCaptures(subject) => self.forget("captures", &subject).await,
            // The rules ask for none; nothing of a face is to lie in the clear, whoever asks.
            Write::Pictures(_) => {
                Err(StoreError::damaged("pictures were to be kept in a gallery that lies in the clear"))
            }
            Write::RemovePictures(_) | Write::ForgetPictures(_) | Write::ForgetKey(_) => Ok(()),
            Write::Challenge(challenge) => self.put_challenge(&challenge).await,
            Write::RemoveChallenge(number) => {
                let gone = "DELETE FROM challenges WHERE number = $1";
                self.gate.challenges -= self.sql.run(gone, &[&signed(number)]).await?;
                Ok(())
            }
            Write::ForgetChallenges(transaction) => {
                let gone = "DELETE FROM challenges WHERE transaction = $1";
                let name = self.sql.protection().transaction(&transaction);
                self.gate.challenges -= self.sql.run(gone, &[&name]).await?;
                Ok(())
            }
            Write::SubjectRequest(request) => self.put_subject_request(&request).await,
            Write::RemoveRequest(number) => {
                self.sql.run("DELETE FROM subject_requests WHERE number = $1", &[&signed(number)]).await.map(drop)
            }
            Write::ForgetRequests(subject) => self.forget("subject_requests", &subject).await,
            Write::Retention(run) => self.put_retention(&run).await,
            Write::Cleared(pair) => self.put_cleared(&pair).await,
            Write::RemoveCleared(one, other) => {
                let gone = "DELETE FROM cleared WHERE (one = $1 AND other = $2) OR (one = $2 AND other = $1)";
                let (one, other, _) = pair_names(self.sql, &one, &other);
                self.sql.run(gone, &[&one, &other]).await.map(drop)
            }
            Write::Request(id, request) => self.remember(&id, &request).await,
            Write::Entry(entry) => {
                let place = self.gate.entries.ok_or_else(no_log)?;
                self.gate.entries = Some(place + 1);
                ledger::put_entry(self.sql, place, entry).await
            }
            Write::Nodes(run) => ledger::put_nodes(self.sql, &run).await,
            Write::Checkpoint { size, note } => ledger::put_checkpoint(self.sql, size, &note).await,
            Write::DropCheckpoint(size) => ledger::drop_checkpoint(self.sql, size).await,
            Write::Prune { first, until } => ledger::prune(self.sql, first, until).await,
            Write::Ledger(head) => ledger::put_head(self.sql, &head).await,
        }
    }

    /// Takes away every row of a table that is about a subject.
    async fn forget(&mut self, table: &'static str, subject: &SubjectId) -> Result<(), StoreError> {
        let name = self.sql.protection().subject(subject);
        self.sql.run(&format!("DELETE FROM {table} WHERE subject = $1"), &[&name]).await.map(drop)
    }

    async fn put_subject(&mut self, head: &SubjectHead) -> Result<(), StoreError> {
        match heads(self.sql, std::slice::from_ref(&head.id)).await?.first() {
            None => self.gate.subjects += 1,
            Some(before) if !before.is_searched_as(head) => drop(self.relabelled.insert(head.id.clone())),
            Some(_) => {}
        }
        let protection = self.sql.protection();
        let name = protection.subject(&head.id);
        let value = protection.wrap("subjects", name.as_bytes(), Owner::Table, &SubjectRecord::of_head(head))?;
        let put = "INSERT INTO subjects (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2";
        self.sql.run(put, &[&name, &value]).await.map(drop)
    }

    async fn remove_subject(&mut self, id: &SubjectId) -> Result<(), StoreError> {
        let name = self.sql.protection().subject(id);
        self.gate.subjects -= self.sql.run("DELETE FROM subjects WHERE name = $1", &[&name]).await?;
        self.relabelled.remove(id);
        Ok(())
    }

    async fn put_template(&mut self, id: u64, subject: &SubjectId, content: &NewTemplate) -> Result<(), StoreError> {
        let recipe = content.template.recipe();
        if !self.listed.contains(&recipe) {
            store::list_recipe(self.sql, recipe).await?;
            self.listed.insert(recipe);
        }
        let record = TemplateRecord::new(subject.as_str(), content);
        let value = self.sql.protection().wrap("templates", &id.to_le_bytes(), Owner::Table, &record)?;
        let put = "INSERT INTO templates (id, recipe, value) VALUES ($1, $2, $3)";
        self.sql.run(put, &[&signed(id), &recipe.0.as_slice(), &value]).await?;
        self.gate.template_next = id + 1;
        self.gate.templates += 1;
        Ok(())
    }

    async fn remove_template(&mut self, id: u64, subject: &SubjectId) -> Result<(), StoreError> {
        let row = self.sql.row("DELETE FROM templates WHERE id = $1 RETURNING id, value", &[&signed(id)]).await?;
        let owner = row.map(|row| template_in(self.sql, &row)).transpose()?.map(|(owner, _)| owner);
        if owner.is_none_or(|owner| owner != subject.as_str()) {
            return Err(StoreError::damaged("a subject's template is missing or another's"));
        }
        self.gate.templates -= 1;
        self.change.removed.push(id);
        Ok(())
    }

    /// Writes a decision and what it is listed by. An attempt that another one follows waits for nobody.
    async fn put_decision(&mut self, decision: &StoredDecision) -> Result<(), StoreError> {
        let StoredDecision { number, key, subject, .. } = decision;
        let protection = self.sql.protection();
        let name = decision_key(protection, key);
        let value = protection.wrap("decisions", name.as_bytes(), Owner::Table, &DecisionRecord::of(decision))?;
        let head = DecisionHeadRecord::of(decision);
        let head = protection.wrap("decision_heads", &number.to_le_bytes(), Owner::Table, &head)?;
        let (transaction, attempt) = (protection.transaction(&key.transaction), i64::from(key.attempt));
        let earlier = "UPDATE decisions SET waits = false WHERE transaction = $1 AND attempt < $2 AND waits";
        self.sql.run(earlier, &[&transaction, &attempt]).await?;
        let put = "INSERT INTO decisions (transaction, attempt, number, subject, waits, head, value) \
                   VALUES ($1, $2, $3, $4, $5 AND NOT EXISTS \
                   (SELECT 1 FROM decisions WHERE transaction = $1 AND attempt > $2), $6, $7) \
                   ON CONFLICT (transaction, attempt) DO UPDATE SET number = excluded.number, \
                   subject = excluded.subject, waits = excluded.waits, head = excluded.head, value = excluded.value";
        let subject = protection.subject(subject);
        let values: super::sql::Values<'_> =
            &[&transaction, &attempt, &signed(*number), &subject, &decision.waits(), &head, &value];
        self.sql.run(put, values).await?;
        self.gate.decision_next = self.gate.decision_next.max(number + 1);
        Ok(())
    }

    /// Takes one decision away, with its captures.
    async fn remove_decision(&mut self, key: &DecisionKey) -> Result<(), StoreError> {
        let transaction = self.sql.protection().transaction(&key.transaction);
        let attempt = i64::from(key.attempt);
        let captures = "DELETE FROM captures WHERE transaction = $1 AND attempt = $2";
        self.sql.run(captures, &[&transaction, &attempt]).await?;
        let gone = "DELETE FROM decisions WHERE transaction = $1 AND attempt = $2";
        match self.sql.run(gone, &[&transaction, &attempt]).await? {
            1 => Ok(()),
            _ => Err(StoreError::damaged("a decision that is taken away is not there")),
        }
    }

    async fn put_capture(&mut self, capture: &StoredCapture) -> Result<(), StoreError> {
        let StoredCapture { number, key, subject, expires_at, content, .. } = capture;
        let protection = self.sql.protection();
        let value = protection.wrap("captures", &number.to_le_bytes(), Owner::Table, &CaptureRecord::of(capture))?;
        let put = "INSERT INTO captures (number, subject, transaction, attempt, expires_at, value) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let (transaction, attempt) = (protection.transaction(&key.transaction), i64::from(key.attempt));
        let subject = protection.subject(subject);
        let values: super::sql::Values<'_> =
            &[&signed(*number), &subject, &transaction, &attempt, &signed(expires_at.0), &value];
        self.sql.run(put, values).await?;
        let bands: Vec<Vec<u8>> = content.bands.iter().map(|band| protection.band(band).to_vec()).collect();
        let put = "INSERT INTO capture_bands (band, number) SELECT band, $2 FROM unnest($1::bytea[]) AS band \
                   ON CONFLICT DO NOTHING";
        self.sql.run(put, &[&bands, &signed(*number)]).await?;
        self.gate.captures = *number;
        Ok(())
    }

    async fn put_challenge(&mut self, challenge: &StoredChallenge) -> Result<(), StoreError> {
        let (number, protection) = (challenge.number, self.sql.protection());
        let record = ChallengeRecord::of(challenge);
        let value = protection.wrap("challenges", &number.to_le_bytes(), Owner::Table, &record)?;
        let gone = self.sql.run("DELETE FROM challenges WHERE number = $1", &[&signed(number)]).await?;
        let put = "INSERT INTO challenges (number, transaction, asked_by, expires_at, value) \
                   VALUES ($1, $2, $3, $4, $5)";
        let transaction = protection.transaction(&challenge.owner.transaction);
        let asked_by = challenge.owner.asked_by.as_slice();
        let values: super::sql::Values<'_> =
            &[&signed(number), &transaction, &asked_by, &signed(challenge.expires_at.0), &value];
        self.sql.run(put, values).await?;
        self.gate.challenges += 1 - gone.min(1);
        self.challenges_added += 1;
        Ok(())
    }

    async fn put_subject_request(&mut self, request: &SubjectRequest) -> Result<(), StoreError> {
        let (number, protection) = (request.number, self.sql.protection());
        let record = SubjectRequestRecord::of(request);
        let value = protection.wrap("subject_requests", &number.to_le_bytes(), Owner::Table, &record)?;
        let subject = request.subject.as_ref().map(|subject| protection.subject(subject));
        let put = "INSERT INTO subject_requests (number, subject, is_open, value) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (number) DO UPDATE SET subject = $2, is_open = $3, value = $4";
        self.sql.run(put, &[&signed(number), &subject, &request.is_open(), &value]).await?;
        self.gate.subject_requests = self.gate.subject_requests.max(number);
        Ok(())
    }

    /// Keeps what a run of retention did.
    async fn put_retention(&mut self, run: &RetentionRun) -> Result<(), StoreError> {
        self.sql.put_fact(RETENTION, &seal("gallery", RETENTION.as_bytes(), &RetentionRecord::of(run))).await
    }

    /// Keeps a pair in both orders, so that either finds the other.
    async fn put_cleared(&mut self, pair: &ClearedPair) -> Result<(), StoreError> {
        let record = ClearedRecord::of(pair);
        for (one, other, is_first) in [(&pair.first, &pair.second, true), (&pair.second, &pair.first, false)] {
            let (one, other, name) = pair_names(self.sql, one, other);
            let value = self.sql.protection().wrap("cleared", name.as_bytes(), Owner::Table, &record)?;
            let put = "INSERT INTO cleared (one, other, is_first, value) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (one, other) DO UPDATE SET value = $4";
            self.sql.run(put, &[&one, &other, &is_first, &value]).await?;
        }
        Ok(())
    }

    async fn remember(&mut self, id: &RequestId, request: &StoredRequest) -> Result<(), StoreError> {
        let name = self.sql.protection().request(id);
        let record = RequestRecord::of(request, self.now);
        let value = self.sql.protection().wrap("requests", name.as_bytes(), Owner::Table, &record)?;
        let put = "INSERT INTO requests (name, done_at, value) VALUES ($1, $2, $3)";
        self.sql.run(put, &[&name, &signed(self.now.0), &value]).await?;
        self.gate.requests += 1;
        self.requests_added += 1;
        Ok(())
    }
}

fn no_log() -> StoreError {
    StoreError::damaged("the transparency log is not there")
}
